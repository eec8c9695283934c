// How an invocation of a handler up to nodejs22.x ends: by promise, by callback, by `context.done`, or because
// nothing is left to do (AWS Lambda Developer Guide, "Define Lambda function handler in Node.js").

const BEFORE_EXIT = Symbol.for("aws.lambda.beforeExit");

export function onEmptyEventLoop(listener) {
  globalThis[BEFORE_EXIT] = listener;
}

export const ignoreEmptyEventLoop = () => onEmptyEventLoop(() => {});

export const emptyEventLoop = () => globalThis[BEFORE_EXIT]();

/** The callback and the context of one invocation. `post` sends outcomes, `next` takes the next event. */
export function callbacks(post, next) {
  let finished = false;
  let completed = false;
  let waitForEmptyEventLoop = true;

  const complete = (result) => {
    if (completed) {
      console.error(
        "Invocation has already been reported as done. Cannot call complete more than once per invocation.",
      );
      return;
    }
    completed = true;
    post.result(result);
    next();
  };
  const done = (error, result) => {
    ignoreEmptyEventLoop();
    if (error !== undefined && error !== null) {
      post.error(error);
      next();
    } else {
      complete(result);
    }
  };
  const callback = (error, result) => {
    const failed = error !== undefined && error !== null;
    if (failed || !waitForEmptyEventLoop) {
      done(error, result);
      return;
    }
    onEmptyEventLoop(() => {
      ignoreEmptyEventLoop();
      setImmediate(() => complete(result));
    });
  };
  // Only the first call counts, but one that could not be carried out (a result that has no JSON) does not.
  const once =
    (report) =>
    (...parameters) => {
      if (!finished) {
        report(...parameters);
        finished = true;
      }
    };

  const onceDone = once(done);
  const context = {
    get callbackWaitsForEmptyEventLoop() {
      return waitForEmptyEventLoop;
    },
    set callbackWaitsForEmptyEventLoop(value) {
      waitForEmptyEventLoop = value;
    },
    succeed: (result) => onceDone(null, result),
    fail: (error) => onceDone(error ?? "handled"),
    done: onceDone,
  };
  const completeWithNothing = () => {
    ignoreEmptyEventLoop();
    complete(null);
  };
  return { context, callback: once(callback), completeWithNothing };
}
