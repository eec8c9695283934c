# Every resource of Lambda that the provider knows, with the role, policies and log group around them.

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
  region     = "us-east-1"
  access_key = "test"
  secret_key = "test"
  # There is no EC2 that would know credentials; the account is asked of STS.
  skip_metadata_api_check = true

  endpoints {
    cloudwatchlogs = var.endpoint
    iam            = var.endpoint
    lambda         = var.endpoint
    sqs            = var.endpoint
    sts            = var.endpoint
    appautoscaling = var.endpoint
  }
}

data "aws_caller_identity" "current" {}

data "aws_iam_policy" "basic" {
  arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "function" {
  name                 = "tf-function"
  path                 = "/terraform/"
  description          = var.changed ? "changed" : "made"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = var.changed ? 7200 : 3600
  tags                 = { stage = var.changed ? "second" : "first" }
}

resource "aws_iam_policy" "queue" {
  name        = "tf-queue"
  description = "what the function may do with its queue"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      # What a mapping needs, without which Lambda takes none, and in the second round one more.
      Action = concat(
        ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
        var.changed ? ["sqs:SendMessage"] : []
      )
      Resource = aws_sqs_queue.queue.arn
      }, {
      # Where events go that fail.
      Effect   = "Allow"
      Action   = "sqs:SendMessage"
      Resource = "arn:aws:sqs:us-east-1:${data.aws_caller_identity.current.account_id}:tf-failures"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "basic" {
  role       = aws_iam_role.function.name
  policy_arn = data.aws_iam_policy.basic.arn
}

resource "aws_iam_role_policy_attachment" "queue" {
  role       = aws_iam_role.function.name
  policy_arn = aws_iam_policy.queue.arn
}

resource "aws_iam_role_policy" "inline" {
  name = "inline"
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = var.changed ? "s3:Put*" : "s3:Get*", Resource = "*" }]
  })
}

resource "aws_cloudwatch_log_group" "function" {
  name              = "/aws/lambda/tf-function"
  retention_in_days = var.changed ? 14 : 7
  tags              = { stage = var.changed ? "second" : "first" }
}

resource "aws_lambda_layer_version" "layer" {
  layer_name          = "tf-layer"
  filename            = var.layer
  source_code_hash    = filebase64sha256(var.layer)
  compatible_runtimes = ["python3.12"]
  description         = "a layer"
  license_info        = "Apache-2.0"
}

resource "aws_lambda_function" "function" {
  function_name                  = "tf-function"
  role                           = aws_iam_role.function.arn
  handler                        = "lambda_function.lambda_handler"
  runtime                        = "python3.12"
  filename                       = var.package
  source_code_hash               = filebase64sha256(var.package)
  description                    = var.changed ? "changed" : "made"
  memory_size                    = var.changed ? 256 : 128
  timeout                        = var.changed ? 20 : 10
  reserved_concurrent_executions = var.changed ? 5 : 3
  layers                         = [aws_lambda_layer_version.layer.arn]
  tags                           = { stage = var.changed ? "second" : "first" }

  environment {
    variables = { STAGE = var.changed ? "second" : "first" }
  }

  tracing_config {
    mode = "PassThrough"
  }

  depends_on = [aws_iam_role_policy_attachment.basic, aws_cloudwatch_log_group.function]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = var.changed ? "changed" : "made"
  function_name    = aws_lambda_function.function.arn
  function_version = "$LATEST"
}

resource "aws_lambda_function" "published" {
  function_name = "tf-published"
  role          = aws_iam_role.function.arn
  handler       = "function.handler"
  runtime       = "provided.al2023"
  filename      = var.package_of_version
  publish       = true
}

resource "aws_lambda_alias" "published" {
  name             = "live"
  description      = var.changed ? "changed" : "made"
  function_name    = aws_lambda_function.published.function_name
  function_version = aws_lambda_function.published.version
}

resource "aws_lambda_provisioned_concurrency_config" "published" {
  function_name                     = aws_lambda_alias.published.function_name
  qualifier                         = aws_lambda_alias.published.name
  provisioned_concurrent_executions = var.changed ? 2 : 1
}

resource "aws_lambda_permission" "bucket" {
  statement_id   = var.changed ? "bucket-changed" : "bucket"
  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.function.function_name
  qualifier      = aws_lambda_alias.live.name
  principal      = "s3.amazonaws.com"
  source_arn     = "arn:aws:s3:::tf-bucket"
  source_account = data.aws_caller_identity.current.account_id
}

resource "aws_lambda_permission" "account" {
  statement_id  = "account"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.function.function_name
  # An account by its number is read back as this, and the provider takes that for another.
  principal = "arn:aws:iam::111122223333:root"
}

resource "aws_lambda_function_event_invoke_config" "function" {
  depends_on                   = [aws_iam_role_policy_attachment.queue]
  function_name                = aws_lambda_function.function.function_name
  maximum_event_age_in_seconds = var.changed ? 120 : 60
  maximum_retry_attempts       = var.changed ? 1 : 0

  destination_config {
    on_failure {
      destination = "arn:aws:sqs:us-east-1:${data.aws_caller_identity.current.account_id}:tf-failures"
    }
  }
}

resource "aws_sqs_queue" "queue" {
  name                       = "tf"
  visibility_timeout_seconds = 180
}

resource "aws_lambda_event_source_mapping" "queue" {
  event_source_arn = aws_sqs_queue.queue.arn
  function_name    = aws_lambda_function.function.arn
  batch_size       = var.changed ? 5 : 10
  enabled          = false
  depends_on       = [aws_iam_role_policy_attachment.queue]
}

data "aws_lambda_function" "read" {
  function_name = aws_lambda_function.function.function_name
  qualifier     = aws_lambda_alias.live.name
}


resource "aws_lambda_function_url" "url" {
  function_name      = aws_lambda_function.function.function_name
  authorization_type = var.changed ? "AWS_IAM" : "NONE"
  invoke_mode        = "BUFFERED"
  cors {
    allow_origins = ["https://example.com"]
    allow_methods = var.changed ? ["GET", "POST"] : ["GET"]
    max_age       = 60
  }
}

resource "aws_lambda_layer_version_permission" "layer" {
  layer_name     = aws_lambda_layer_version.layer.layer_name
  version_number = aws_lambda_layer_version.layer.version
  principal      = "*"
  action         = "lambda:GetLayerVersion"
  statement_id   = "all"
}

resource "aws_lambda_code_signing_config" "csc" {
  description = var.changed ? "changed" : "made"
  allowed_publishers {
    signing_profile_version_arns = ["arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/abcdefghij"]
  }
  policies {
    untrusted_artifact_on_deployment = "Warn"
  }
}

resource "aws_lambda_runtime_management_config" "rmc" {
  function_name     = aws_lambda_function.function.function_name
  update_runtime_on = var.changed ? "FunctionUpdate" : "Auto"
}

resource "aws_lambda_function_recursion_config" "rec" {
  function_name  = aws_lambda_function.function.function_name
  recursive_loop = var.changed ? "Terminate" : "Allow"
}

resource "aws_lambda_invocation" "call" {
  function_name = aws_lambda_function.function.function_name
  input         = jsonencode({ a = 1 })
}

resource "aws_appautoscaling_target" "t" {
  max_capacity       = var.changed ? 5 : 4
  min_capacity       = 1
  resource_id        = "function:${aws_lambda_alias.published.function_name}:${aws_lambda_alias.published.name}"
  scalable_dimension = "lambda:function:ProvisionedConcurrency"
  service_namespace  = "lambda"
  depends_on = [aws_lambda_provisioned_concurrency_config.published]
}

resource "aws_appautoscaling_policy" "p" {
  name               = "track"
  policy_type        = "TargetTrackingScaling"
  resource_id        = aws_appautoscaling_target.t.resource_id
  scalable_dimension = aws_appautoscaling_target.t.scalable_dimension
  service_namespace  = aws_appautoscaling_target.t.service_namespace
  target_tracking_scaling_policy_configuration {
    target_value = var.changed ? 0.6 : 0.7
    predefined_metric_specification { predefined_metric_type = "LambdaProvisionedConcurrencyUtilization" }
  }
}

output "account" { value = data.aws_caller_identity.current.account_id }
output "qualified" { value = aws_lambda_function.published.qualified_arn }
output "read" { value = data.aws_lambda_function.read.arn }
output "url" { value = aws_lambda_function_url.url.function_url }
output "result" { value = aws_lambda_invocation.call.result }
