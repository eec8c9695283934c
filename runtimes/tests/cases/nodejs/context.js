// What handlers learn about their invocation.

const cases = {};
const headerless = (context) => JSON.parse(JSON.stringify(context));

cases["all fields, in their order"] = async (event, context) => [Object.keys(context), headerless(context)];
cases["types"] = async (event, context) => Object.keys(context).map((key) => [key, typeof context[key]]);
cases["remaining time"] = async (event, context) => { const left = context.getRemainingTimeInMillis(); return [left > 0 && left <= 60000, Number.isInteger(left)]; };
// headers: {"Lambda-Runtime-Deadline-Ms": "1"}
cases["past the deadline the time is negative"] = async (event, context) => context.getRemainingTimeInMillis() < 0;
// headers: {"Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:f:live"}
cases["the ARN as invoked"] = async (event, context) => context.invokedFunctionArn;
// headers: {"Lambda-Runtime-Client-Context": "{\"client\":{\"installation_id\":\"i\"},\"custom\":{\"a\":1},\"env\":{\"b\":2}}"}
cases["a client context"] = async (event, context) => [context.clientContext, context.clientContext.custom.a];
// headers: {"Lambda-Runtime-Client-Context": "{\"Custom\":{\"a\":1},\"other\":null}"}
cases["a client context of unknown fields"] = async (event, context) => context.clientContext;
// headers: {"Lambda-Runtime-Client-Context": "5"}
cases["a client context that is a number"] = async (event, context) => context.clientContext;
// headers: {"Lambda-Runtime-Client-Context": "null"}
cases["a client context that is null"] = async (event, context) => [context.clientContext, typeof context.clientContext];
// headers: {"Lambda-Runtime-Cognito-Identity": "{\"cognitoIdentityId\":\"i\",\"cognitoIdentityPoolId\":\"p\"}"}
cases["an identity"] = async (event, context) => context.identity;
cases["no identity"] = async (event, context) => [typeof context.identity, typeof context.clientContext];
// headers: {"Lambda-Runtime-Aws-Tenant-Id": "tenant-1"}
cases["a tenant"] = async (event, context) => context.tenantId;
cases["no tenant"] = async (event, context) => typeof context.tenantId;
cases["the trace"] = async (event, context) => [process.env._X_AMZN_TRACE_ID, context.xRayTraceId];
// headers: {"Lambda-Runtime-Trace-Id": null}
cases["no trace"] = async (event, context) => ["_X_AMZN_TRACE_ID" in process.env, typeof context.xRayTraceId];
cases["the next trace, also in a child"] = async () => [process.env._X_AMZN_TRACE_ID, require("child_process").execSync("echo $_X_AMZN_TRACE_ID").toString()];
cases["fields can be added"] = async (event, context) => { context.mine = 1; context.functionName = "other"; return [context.mine, context.functionName]; };
cases["and are gone in the next invocation"] = async (event, context) => [typeof context.mine, context.functionName];
cases["the log descriptor is no variable"] = async () => ["_LAMBDA_TELEMETRY_LOG_FD" in process.env, process.env.TZ, process.cwd() === process.env.LAMBDA_TASK_ROOT];
cases["a copy of the context"] = async (event, context) => { const copy = { ...context }; return [Object.keys(copy), copy.getRemainingTimeInMillis() > 0]; };
cases["the context is extensible and plain"] = async (event, context) => [Object.isFrozen(context), Object.getPrototypeOf(context) === Object.prototype];
cases["the global"] = async () => [typeof awslambda, Object.keys(globalThis.awslambda).sort(), typeof awslambda.streamifyResponse, typeof awslambda.HttpResponseStream.from];
cases["the invoke store"] = async (event, context) => {
  const store = awslambda.InvokeStore;
  if (store === undefined) return "none";
  store.set("mine", 5);
  let refused;
  try {
    store.set(Symbol.for("_AWS_LAMBDA_REQUEST_ID"), "x");
  } catch (error) {
    refused = `${error.name}: ${error.message}`;
  }
  return [store.hasContext(), store.getRequestId() === context.awsRequestId, store.getXRayTraceId(), typeof store.getTenantId(), store.get("mine"), refused, Reflect.ownKeys(store.getContext()).map(String)];
};
cases["the invoke store of the next invocation"] = async () => (awslambda.InvokeStore === undefined ? "none" : typeof awslambda.InvokeStore.get("mine"));
cases["the invoke store's own context"] = async () => {
  const store = awslambda.InvokeStore;
  if (store === undefined) return "none";
  const inside = store.run({ own: 1 }, () => [store.get("own"), store.getRequestId()]);
  return [inside, store.constructor.name, String(store.constructor.PROTECTED_KEYS.TENANT_ID), store.isProtectedKey("own")];
};
cases["symbols of the request"] = async () => [typeof globalThis[Symbol.for("aws.lambda.runtime.requestId")], typeof globalThis[Symbol.for("aws.lambda.runtime.tenantId")]];

exports.handler = (...parameters) => cases[parameters[0].case](parameters[0].with, parameters[1], parameters[2]);
