#!/usr/bin/env bash
# Deploys a function, schedules it and waits until it has run. Needs a running server and the AWS CLI.
cd "$(dirname "$0")"
. ../common.sh

deploy cron-job .
aws scheduler delete-schedule --name every-minute >/dev/null 2>&1 || true
aws scheduler create-schedule --name every-minute --schedule-expression 'cron(* * * * ? *)' \
    --schedule-expression-timezone Europe/Berlin --flexible-time-window Mode=OFF --target '{
        "Arn": "'"$(function_arn cron-job)"'",
        "RoleArn": "arn:aws:iam::'"$account"':role/lambent",
        "Input": "{\"meant\": \"<aws.scheduler.scheduled-time>\"}"
    }' >/dev/null
echo "waiting for the next full minute"
until_true "the first run" printed cron-job "ran for 20"
aws logs filter-log-events --log-group-name /aws/lambda/cron-job --filter-pattern '"ran for"' --query 'events[-1].message'
aws scheduler delete-schedule --name every-minute
