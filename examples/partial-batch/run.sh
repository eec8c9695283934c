#!/usr/bin/env bash
# Sends good and bad jobs, shows where each ends, mends the function and moves the bad ones back. Needs a running server
# and the AWS CLI.
cd "$(dirname "$0")"
. ../common.sh

dead=$(aws sqs create-queue --queue-name jobs-dead --query QueueUrl)
jobs=$(aws sqs create-queue --queue-name jobs --query QueueUrl)
# So short a time only shows the way faster; six times the function's timeout is what AWS advises.
aws sqs set-queue-attributes --queue-url "$jobs" --attributes '{"VisibilityTimeout": "2",
    "RedrivePolicy": "{\"deadLetterTargetArn\": \"'"$(queue_arn jobs-dead)"'\", \"maxReceiveCount\": 3}"}'
deploy worker . --env MENDED=no
aws lambda update-function-configuration --function-name worker --timeout 2 >/dev/null
aws lambda wait function-updated-v2 --function-name worker
aws lambda create-event-source-mapping --function-name worker --event-source-arn "$(queue_arn jobs)" --batch-size 10 \
    --function-response-types ReportBatchItemFailures >/dev/null 2>&1 || true # It is there from an earlier run.

run=$RANDOM
for body in "good-$run-1" "bad-$run" "good-$run-2"; do
    aws sqs send-message --queue-url "$jobs" --message-body "$body" >/dev/null
done
for number in 1 2; do until_true "good job $number" printed worker "did good-$run-$number"; done
echo "the good jobs are done"
in_dead() {
    [ "$(aws sqs get-queue-attributes --queue-url "$dead" --attribute-names ApproximateNumberOfMessages \
        --query Attributes.ApproximateNumberOfMessages)" -ge 1 ]
}
until_true "the bad job in the dead-letter queue" in_dead
echo "the bad one is in the dead-letter queue"

aws lambda update-function-configuration --function-name worker --environment 'Variables={MENDED=yes}' >/dev/null
aws lambda wait function-updated-v2 --function-name worker
aws sqs start-message-move-task --source-arn "$(queue_arn jobs-dead)" >/dev/null
until_true "the bad job" printed worker "did bad-$run"
echo "moved back, it is done too"
