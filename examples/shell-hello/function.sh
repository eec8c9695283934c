handler() {
    # Standard output is the result, standard error is the log.
    echo "answering an event of ${#1} characters" >&2
    echo "{\"message\": \"Hello from the shell!\", \"event\": $1}"
}
