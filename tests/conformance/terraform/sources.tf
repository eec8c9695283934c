# What triggers functions and takes their results: two functions with everything around them.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "endpoint" { type = string }
variable "package" { type = string }
variable "package_of_version" { type = string }
variable "layer" { type = string }
# What the second round changes.
variable "changed" { type = bool }

provider "aws" {
  region                  = "us-east-1"
  access_key              = "test"
  secret_key              = "test"
  skip_metadata_api_check = true
  s3_use_path_style       = true

  endpoints {
    cloudwatchlogs = var.endpoint
    events         = var.endpoint
    iam            = var.endpoint
    lambda         = var.endpoint
    s3             = var.endpoint
    scheduler      = var.endpoint
    sns            = var.endpoint
    sqs            = var.endpoint
    sts            = var.endpoint
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com", "scheduler.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "function" {
  name               = "tfe-function"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy_attachment" "queue" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole"
}

resource "aws_iam_role_policy" "send" {
  name = "send"
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["sqs:SendMessage", "lambda:InvokeFunction"], Resource = "*" }]
  })
}

# Queues

resource "aws_sqs_queue" "dead" {
  name                      = "tfe-dead"
  message_retention_seconds = 1209600
}

resource "aws_sqs_queue" "work" {
  name                       = "tfe-work"
  visibility_timeout_seconds = var.changed ? 120 : 60
  receive_wait_time_seconds  = 1
  sqs_managed_sse_enabled    = false
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = 3
  })
  tags = { stage = var.changed ? "second" : "first" }
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.work.arn]
  })
}

resource "aws_sqs_queue" "ordered" {
  name                        = "tfe-ordered.fifo"
  fifo_queue                  = true
  content_based_deduplication = var.changed
}

data "aws_iam_policy_document" "senders" {
  statement {
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.work.arn]
    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com", "events.amazonaws.com", "s3.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = ["000000000000"]
    }
  }
}

resource "aws_sqs_queue_policy" "senders" {
  queue_url = aws_sqs_queue.work.id
  policy    = data.aws_iam_policy_document.senders.json
}

# Functions

resource "aws_lambda_function" "consumer" {
  function_name    = "tfe-consumer"
  role             = aws_iam_role.function.arn
  filename         = var.package
  source_code_hash = filebase64sha256(var.package)
  runtime          = "python3.11"
  handler          = "lambda_function.lambda_handler"
  timeout          = 20
  depends_on       = [aws_iam_role_policy_attachment.queue]
}

resource "aws_lambda_function" "pushed" {
  function_name = "tfe-pushed"
  role          = aws_iam_role.function.arn
  s3_bucket     = aws_s3_object.package.bucket
  s3_key        = aws_s3_object.package.key
  runtime       = "python3.11"
  handler       = "lambda_function.lambda_handler"
  timeout       = 20
}

resource "aws_lambda_event_source_mapping" "work" {
  event_source_arn                   = aws_sqs_queue.work.arn
  function_name                      = aws_lambda_function.consumer.arn
  batch_size                         = var.changed ? 20 : 5
  maximum_batching_window_in_seconds = 1
  function_response_types            = ["ReportBatchItemFailures"]
  scaling_config {
    maximum_concurrency = 5
  }
  filter_criteria {
    filter {
      pattern = jsonencode({ body = { kind = ["a"] } })
    }
  }
}

resource "aws_lambda_function_event_invoke_config" "pushed" {
  function_name = aws_lambda_function.pushed.function_name
  destination_config {
    on_failure {
      destination = aws_sqs_queue.work.arn
    }
  }
}

# Topics

resource "aws_sns_topic" "news" {
  name         = "tfe-news"
  display_name = var.changed ? "Changed" : "Made"
  tags         = { stage = "first" }
}

resource "aws_sns_topic_policy" "news" {
  arn = aws_sns_topic.news.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "events"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.news.arn
    }]
  })
}

resource "aws_sns_topic_subscription" "queue" {
  topic_arn            = aws_sns_topic.news.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.work.arn
  raw_message_delivery = true
  filter_policy        = jsonencode({ kind = [var.changed ? "b" : "a"] })
}

resource "aws_sns_topic_subscription" "function" {
  topic_arn = aws_sns_topic.news.arn
  protocol  = "lambda"
  endpoint  = aws_lambda_function.pushed.arn
}

resource "aws_lambda_permission" "sns" {
  statement_id  = "sns"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.pushed.function_name
  principal     = "sns.amazonaws.com"
  source_arn    = aws_sns_topic.news.arn
}

# Events

resource "aws_cloudwatch_event_bus" "shop" {
  name = "tfe-shop"
}

resource "aws_cloudwatch_event_rule" "orders" {
  name           = "tfe-orders"
  event_bus_name = aws_cloudwatch_event_bus.shop.name
  description    = var.changed ? "changed" : "made"
  event_pattern  = jsonencode({ source = ["shop"], detail = { total = [{ numeric = [">", 10] }] } })
}

resource "aws_cloudwatch_event_target" "queue" {
  rule           = aws_cloudwatch_event_rule.orders.name
  event_bus_name = aws_cloudwatch_event_bus.shop.name
  arn            = aws_sqs_queue.work.arn
  input_transformer {
    input_paths    = { total = "$.detail.total" }
    input_template = "{\"kind\": \"a\", \"total\": <total>}"
  }
  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 3
  }
  dead_letter_config {
    arn = aws_sqs_queue.dead.arn
  }
}

resource "aws_cloudwatch_event_target" "function" {
  rule           = aws_cloudwatch_event_rule.orders.name
  event_bus_name = aws_cloudwatch_event_bus.shop.name
  arn            = aws_lambda_function.pushed.arn
  input_path     = "$.detail"
}

resource "aws_lambda_permission" "events" {
  statement_id  = "events"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.pushed.function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.orders.arn
}

resource "aws_cloudwatch_event_rule" "hourly" {
  name                = "tfe-hourly"
  schedule_expression = var.changed ? "cron(0 * * * ? *)" : "rate(1 hour)"
}

resource "aws_cloudwatch_event_archive" "shop" {
  name             = "tfe-shop"
  event_source_arn = aws_cloudwatch_event_bus.shop.arn
  retention_days   = var.changed ? 2 : 1
  event_pattern    = jsonencode({ source = ["shop"] })
}

# Schedules

resource "aws_scheduler_schedule_group" "nightly" {
  name = "tfe-nightly"
}

resource "aws_scheduler_schedule" "report" {
  name                         = "tfe-report"
  group_name                   = aws_scheduler_schedule_group.nightly.name
  schedule_expression          = "cron(30 2 * * ? *)"
  schedule_expression_timezone = var.changed ? "Europe/Berlin" : "UTC"
  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 15
  }
  target {
    arn      = aws_lambda_function.pushed.arn
    role_arn = aws_iam_role.function.arn
    input    = jsonencode({ report = true })
    retry_policy {
      maximum_retry_attempts = 5
    }
  }
}

# Objects

resource "aws_s3_bucket" "files" {
  bucket = "tfe-files"
  tags   = { stage = var.changed ? "second" : "first" }
}

resource "aws_s3_bucket_versioning" "files" {
  bucket = aws_s3_bucket.files.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "files" {
  bucket                  = aws_s3_bucket.files.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_cors_configuration" "files" {
  bucket = aws_s3_bucket.files.id
  cors_rule {
    allowed_methods = ["GET", "PUT"]
    allowed_origins = [var.changed ? "https://changed.example" : "https://made.example"]
    allowed_headers = ["*"]
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "files" {
  bucket = aws_s3_bucket.files.id
  rule {
    id     = "old"
    status = "Enabled"
    filter {
      prefix = "tmp/"
    }
    expiration {
      days = var.changed ? 2 : 1
    }
  }
}

resource "aws_s3_object" "package" {
  bucket = aws_s3_bucket.files.id
  key    = "code/function.zip"
  source = var.package
  etag   = filemd5(var.package)
}

resource "aws_lambda_permission" "s3" {
  statement_id   = "s3"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.pushed.function_name
  principal      = "s3.amazonaws.com"
  source_arn     = aws_s3_bucket.files.arn
  source_account = "000000000000"
}

resource "aws_s3_bucket_notification" "files" {
  bucket = aws_s3_bucket.files.id
  lambda_function {
    id                  = "pictures"
    lambda_function_arn = aws_lambda_function.pushed.arn
    events              = ["s3:ObjectCreated:*"]
    filter_prefix       = "pictures/"
    filter_suffix       = var.changed ? ".png" : ".jpg"
  }
  queue {
    id        = "removed"
    queue_arn = aws_sqs_queue.work.arn
    events    = ["s3:ObjectRemoved:*"]
  }
  depends_on = [aws_lambda_permission.s3, aws_sqs_queue_policy.senders]
}

output "queue" { value = aws_sqs_queue.work.url }
output "topic" { value = aws_sns_topic.news.arn }
