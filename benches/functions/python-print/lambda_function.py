def lambda_handler(event, context):
    print("an ordinary line of a function's log, of a usual length of some eighty letters")
    return event
