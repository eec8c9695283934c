# What the event-driven examples share: how the server is reached, and a few words. Sourced by each `run.sh`.
#
# LAMBENT_ENDPOINT names another server than http://127.0.0.1:4566, LAMBENT another `lambent` than the one on the path.

set -euo pipefail

endpoint=${LAMBENT_ENDPOINT:-http://127.0.0.1:4566}
lambent=${LAMBENT:-lambent}
account=000000000000
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 AWS_PAGER=""

# Older releases of the CLI do not read AWS_ENDPOINT_URL.
aws() { command aws --endpoint-url "$endpoint" --output text "$@"; }

# deploy NAME FOLDER [OPTIONS]: the function, and what AWS's runtime has besides the interpreter.
deploy() {
    local name=$1 folder=$2
    shift 2
    "$lambent" deploy "$folder" --name "$name" --timeout 30 --endpoint "$endpoint" "$@"
    "$lambent" runtimes add "$(aws lambda get-function-configuration --function-name "$name" --query Runtime)"
}

# allow FUNCTION SERVICE ARN: the service may invoke the function for this resource.
allow() {
    aws lambda add-permission --function-name "$1" --statement-id "${2%%.*}" --action lambda:InvokeFunction \
        --principal "$2" --source-arn "$3" >/dev/null 2>&1 || true # It may already.
}

queue_arn() { echo "arn:aws:sqs:$AWS_DEFAULT_REGION:$account:$1"; }
function_arn() { echo "arn:aws:lambda:$AWS_DEFAULT_REGION:$account:function:$1"; }

# until_true WHAT COMMAND …: waits for two minutes at the most.
until_true() {
    local what=$1 tries=0
    shift
    until "$@"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 480 ]; then
            echo "waited in vain for $what" >&2
            exit 1
        fi
        sleep 0.25
    done
}

# printed FUNCTION TEXT: whether the function's log has it.
printed() {
    aws logs filter-log-events --log-group-name "/aws/lambda/$1" --filter-pattern "\"$2\"" \
        --query 'events[].message' 2>/dev/null | grep -qF -- "$2"
}
