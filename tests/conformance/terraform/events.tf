# Buses, rules with their targets, archives, schedules and their groups.

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
    events    = var.endpoint
    scheduler = var.endpoint
    sts       = var.endpoint
  }
}

locals {
  function = "arn:aws:lambda:us-east-1:000000000000:function:f"
  queue    = "arn:aws:sqs:us-east-1:000000000000:dead"
  role     = "arn:aws:iam::000000000000:role/unknown"
}

resource "aws_cloudwatch_event_bus" "orders" {
  name        = "orders"
  description = "What the shop says"
  tags        = { of = "shop" }
}

data "aws_iam_policy_document" "orders" {
  statement {
    actions   = ["events:PutEvents"]
    resources = [aws_cloudwatch_event_bus.orders.arn]
    principals {
      type        = "AWS"
      identifiers = ["arn:aws:iam::111111111111:root"]
    }
  }
}

resource "aws_cloudwatch_event_bus_policy" "orders" {
  event_bus_name = aws_cloudwatch_event_bus.orders.name
  policy         = data.aws_iam_policy_document.orders.json
}

resource "aws_cloudwatch_event_permission" "default" {
  principal    = "111111111111"
  statement_id = "other"
}

resource "aws_cloudwatch_event_rule" "paid" {
  name           = "paid"
  event_bus_name = aws_cloudwatch_event_bus.orders.name
  event_pattern  = jsonencode({ source = ["shop"], detail = { state = [{ prefix = var.changed ? "re" : "pa" }] } })
  tags           = { of = "shop" }
}

resource "aws_cloudwatch_event_target" "function" {
  rule           = aws_cloudwatch_event_rule.paid.name
  event_bus_name = aws_cloudwatch_event_bus.orders.name
  target_id      = "function"
  arn            = local.function
  input_transformer {
    input_paths    = { state = "$.detail.state" }
    input_template = "{\"state\": <state>}"
  }
  retry_policy {
    maximum_retry_attempts       = 3
    maximum_event_age_in_seconds = 600
  }
  dead_letter_config {
    arn = local.queue
  }
}

resource "aws_cloudwatch_event_rule" "hourly" {
  name                = "hourly"
  schedule_expression = var.changed ? "rate(2 hours)" : "cron(0 * * * ? *)"
}

resource "aws_cloudwatch_event_target" "hourly" {
  rule  = aws_cloudwatch_event_rule.hourly.name
  arn   = local.function
  input = jsonencode({ from = "terraform" })
}

resource "aws_cloudwatch_event_archive" "orders" {
  name             = "orders"
  event_source_arn = aws_cloudwatch_event_bus.orders.arn
  event_pattern    = jsonencode({ source = ["shop"] })
  retention_days   = var.changed ? 8 : 7
}

resource "aws_scheduler_schedule_group" "shop" {
  name = "shop"
  tags = { of = "shop" }
}

resource "aws_scheduler_schedule" "daily" {
  name                         = "daily"
  group_name                   = aws_scheduler_schedule_group.shop.name
  schedule_expression          = "cron(0 8 * * ? *)"
  schedule_expression_timezone = "Europe/Berlin"
  start_date                   = "2030-01-01T00:00:00Z"
  state                        = var.changed ? "DISABLED" : "ENABLED"
  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 15
  }
  target {
    arn      = local.function
    role_arn = local.role
    input    = jsonencode({ from = "terraform" })
    retry_policy {
      maximum_retry_attempts       = 5
      maximum_event_age_in_seconds = 600
    }
    dead_letter_config {
      arn = local.queue
    }
  }
}
