#!/usr/bin/env bash
# Deploys the subscribers, publishes three messages and shows who heard what. Needs a running server and the AWS CLI.
cd "$(dirname "$0")"
. ../common.sh

topic=$(aws sns create-topic --name uploads --query TopicArn)
subscribe() { # PROTOCOL ENDPOINT ATTRIBUTES
    aws sns subscribe --topic-arn "$topic" --protocol "$1" --notification-endpoint "$2" --attributes "$3" >/dev/null
}
deploy on-pictures pictures
deploy on-invoices invoices
for name in on-pictures on-invoices; do allow "$name" sns.amazonaws.com "$topic"; done
archive=$(aws sqs create-queue --queue-name archive --query QueueUrl)
policy='{\"Statement\": [{\"Effect\": \"Allow\", \"Principal\": {\"Service\": \"sns.amazonaws.com\"}, \"Action\": \"sqs:SendMessage\", \"Resource\": \"'$(queue_arn archive)'\"}]}'
aws sqs set-queue-attributes --queue-url "$archive" --attributes "{\"Policy\": \"$policy\"}"

subscribe lambda "$(function_arn on-pictures)" '{"FilterPolicy": "{\"kind\": [\"picture\"]}"}'
subscribe lambda "$(function_arn on-invoices)" \
    '{"FilterPolicyScope": "MessageBody", "FilterPolicy": "{\"total\": [{\"numeric\": [\">=\", 100]}]}"}'
subscribe sqs "$(queue_arn archive)" '{"RawMessageDelivery": "true"}'

run=$RANDOM
publish() { # KIND MESSAGE
    aws sns publish --topic-arn "$topic" --message "$2" \
        --message-attributes "{\"kind\": {\"DataType\": \"String\", \"StringValue\": \"$1\"}}" >/dev/null
}
publish picture "{\"picture\": $run}"
publish invoice "{\"invoice\": $run, \"total\": 250}"
publish invoice "{\"invoice\": $run, \"total\": 20}"

until_true "the picture" printed on-pictures "heard {\"picture\": $run}"
until_true "the large invoice" printed on-invoices "heard {\"invoice\": $run, \"total\": 250}"
heard=0
count_three() {
    local bodies
    bodies=$(aws sqs receive-message --queue-url "$archive" --max-number-of-messages 10 --visibility-timeout 300 \
        --query 'Messages[].Body')
    heard=$((heard + $(grep -oF "$run" <<<"$bodies" | wc -l)))
    [ "$heard" -ge 3 ]
}
until_true "all three in the archive" count_three
if printed on-invoices "\"total\": 20}"; then
    echo "the small invoice passed the filter" >&2
    exit 1
fi
echo "pictures heard of one, invoices of the large one, the archive of all three"
