import json

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    SqsFifoPartialProcessor,
    process_partial_response,
)

processor = BatchProcessor(event_type=EventType.SQS)
in_order = SqsFifoPartialProcessor()


def work(record):
    if record.body == "fail" or (record.body.startswith("once") and record.attributes.approximate_receive_count == "1"):
        raise ValueError(record.body)
    print("DONE " + json.dumps(record.body))


def handler(event, context):
    return process_partial_response(event=event, record_handler=work, processor=processor, context=context)


def fifo_handler(event, context):
    return process_partial_response(event=event, record_handler=work, processor=in_order, context=context)
