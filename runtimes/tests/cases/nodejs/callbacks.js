// Handlers with a callback, and the context's ways to end, up to nodejs22.x.

const cases = {};

cases["a result"] = (event, context, callback) => callback(null, "called");
cases["no result"] = (event, context, callback) => callback();
cases["undefined as error"] = (event, context, callback) => callback(undefined, 1);
cases["an error"] = (event, context, callback) => callback(new Error("by callback"));
cases["a text as error"] = (event, context, callback) => callback("text");
cases["an object as error"] = (event, context, callback) => callback({ an: "object" });
cases["zero as error"] = (event, context, callback) => callback(0);
cases["an empty text as error"] = (event, context, callback) => callback("");
cases["false as error"] = (event, context, callback) => callback(false, 1);
cases["a result that has no JSON"] = (event, context, callback) => callback(null, 10n);
cases["twice"] = (event, context, callback) => { callback(null, "first"); callback(null, "second"); };
cases["an error after a result"] = (event, context, callback) => { callback(null, "first"); throw new Error("ignored"); };
cases["later"] = (event, context, callback) => { setTimeout(callback, 5, null, "later"); };
cases["from a promise"] = (event, context, callback) => { Promise.resolve(5).then((value) => callback(null, value)); };
cases["waits for what is left"] = (event, context, callback) => { setTimeout(() => console.log("still running"), 20); callback(null, "waited"); };
cases["an error does not wait"] = (event, context, callback) => { setTimeout(() => {}, 20).unref(); callback(new Error("at once")); };
cases["does not wait when told so"] = (event, context, callback) => {
  context.callbackWaitsForEmptyEventLoop = false;
  setTimeout(() => console.log("in a later invocation"), 60000).unref();
  callback(null, "at once");
};
cases["told so after the callback"] = (event, context, callback) => { callback(null, "waits"); context.callbackWaitsForEmptyEventLoop = false; };
cases["the flag can be read"] = (event, context, callback) => {
  const before = context.callbackWaitsForEmptyEventLoop;
  context.callbackWaitsForEmptyEventLoop = 0;
  callback(null, [before, context.callbackWaitsForEmptyEventLoop]);
};
cases["succeed"] = (event, context) => context.succeed("succeeded");
cases["succeed with nothing"] = (event, context) => context.succeed();
cases["succeed and then the callback"] = (event, context, callback) => { context.succeed("first"); callback(null, "second"); };
cases["fail"] = (event, context) => context.fail(new Error("failed"));
cases["fail with a text"] = (event, context) => context.fail("text");
cases["fail with nothing"] = (event, context) => context.fail();
cases["fail with null"] = (event, context) => context.fail(null);
cases["done"] = (event, context) => context.done(null, "done");
cases["done with an error"] = (event, context) => context.done(new Error("done"));
cases["done with a text"] = (event, context) => context.done("text");
cases["done later"] = (event, context) => { setTimeout(() => context.done(null, "later"), 5); };
cases["a plain return value is ignored"] = () => "ignored";
cases["nothing at all"] = () => {};
cases["nothing, after a timer"] = () => { setTimeout(() => console.log("timer"), 5); };
cases["a promise that is never settled"] = () => new Promise(() => {});
cases["async and a callback"] = async (event, context, callback) => { callback(null, "callback"); return "returned"; };
cases["async and then a callback"] = async (event, context, callback) => { setTimeout(callback, 1, null, "late"); return "returned"; };
cases["async and succeed"] = async (event, context) => { context.succeed("succeeded"); return "returned"; };
cases["async does not wait"] = async () => { setTimeout(() => console.log("never"), 60000).unref(); return "at once"; };
cases["throws at once"] = (event, context, callback) => { throw new TypeError("thrown"); };

exports.handler = (event, context, callback) => cases[event.case](event.with, context, callback);
