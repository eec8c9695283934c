# Takes the few events of the tests apart without a JSON parser.
handler() {
    local event="$1" id="$2"
    echo "printed by the function" >&2
    case "$event" in
        *'"fail"'*) echo '{"errorMessage": "on purpose", "errorType": "Function.Failed"}'; return 1 ;;
        *'"sleep"'*) sleep "$(echo "$event" | tr -dc '0-9')" ;;
    esac
    value="$(echo "$event" | sed -n 's/^{"value": \(.*\)}$/\1/p')"
    echo "{\"value\": ${value:-null}, \"greeting\": \"$GREETING\", \"request_id\": \"$id\"}"
}
