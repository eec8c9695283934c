#!/usr/bin/env bash
# Deploys the order flow, sends an order and follows it. Needs a running server, the AWS CLI, Python, Node.js and curl.
cd "$(dirname "$0")"
. ../common.sh

folder=$(mktemp -d)
python3 endpoint.py >"$folder/heard" 2>"$folder/port" &
endpoint_process=$!
trap 'kill "$endpoint_process"; rm -rf "$folder"' EXIT

queue=$(aws sqs create-queue --queue-name orders --attributes VisibilityTimeout=60 --query QueueUrl)
topic=$(aws sns create-topic --name orders --query TopicArn)
deploy orders-intake intake --env "QUEUE_URL=$queue"
deploy orders-fulfil fulfil --env "TOPIC_ARN=$topic"
deploy orders-audit audit

aws lambda create-event-source-mapping --function-name orders-fulfil --event-source-arn "$(queue_arn orders)" \
    --batch-size 5 >/dev/null 2>&1 || true # It is there from an earlier run.
rule=$(aws events put-rule --name orders-fulfilled --event-pattern '{"source": ["shop"]}' --query RuleArn)
aws events put-targets --rule orders-fulfilled --targets "Id=audit,Arn=$(function_arn orders-audit)" >/dev/null
allow orders-audit events.amazonaws.com "$rule"

until_true "the endpoint" test -s "$folder/port"
aws sns subscribe --topic-arn "$topic" --protocol http \
    --notification-endpoint "http://127.0.0.1:$(cat "$folder/port")/" >/dev/null
confirmed() {
    aws sns list-subscriptions-by-topic --topic-arn "$topic" --query 'Subscriptions[].[SubscriptionArn,Endpoint]' |
        grep -F ":$(cat "$folder/port")/" | grep -qF "$topic:"
}
until_true "the endpoint to confirm its subscription" confirmed

aws lambda create-function-url-config --function-name orders-intake --auth-type NONE >/dev/null 2>&1 || true
aws lambda add-permission --function-name orders-intake --statement-id url --action lambda:InvokeFunctionUrl \
    --principal '*' --function-url-auth-type NONE >/dev/null 2>&1 || true
aws lambda add-permission --function-name orders-intake --statement-id invoke --action lambda:InvokeFunction \
    --principal '*' --invoked-via-function-url >/dev/null 2>&1 || true
url=$(aws lambda get-function-url-config --function-name orders-intake --query FunctionUrl)

item="teapot $RANDOM"
echo "ordering a $item at $url"
# The name of the function's own host, without asking a resolver for it.
curl --silent --show-error --fail --connect-to "::${endpoint#http://}" --header 'content-type: application/json' \
    --data "{\"item\": \"$item\"}" "$url"
echo
until_true "the topic's message" grep -qF "$item" "$folder/heard"
echo "the endpoint heard: $(grep -F "$item" "$folder/heard")"
until_true "the audit" printed orders-audit "audited $item"
echo "the audit has it"
