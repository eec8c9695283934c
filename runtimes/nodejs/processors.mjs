// Who calls the handler, from nodejs24.x on. The names are part of the stack traces that callers of a function see.

class BufferedInvokeProcessor {
  constructor(handler) {
    this.handler = handler;
  }

  processInvoke(event, context) {
    return this.handler(event, context);
  }
}

class StreamingInvokeProcessor {
  constructor(handler) {
    this.handler = handler;
  }

  processInvoke(event, stream, context) {
    return this.handler(event, stream, context);
  }
}

/** The one for this handler. */
export function processorOf(handler, streams) {
  return streams ? new StreamingInvokeProcessor(handler) : new BufferedInvokeProcessor(handler);
}
