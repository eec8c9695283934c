// The context object (AWS Lambda Developer Guide, "Using the Lambda context object to retrieve Node.js function
// information").

// The fields of W3C Trace Context and Baggage that `context.w3c()` hands on; anything else is dropped.
const W3C_FIELDS = ["traceparent", "tracestate", "baggage"];

// These variables do not change while an environment lives, and `process.env` asks libc at each read.
let environmentFields;

function readEnvironment(environment) {
  environmentFields ??= {
    functionVersion: environment.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: environment.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: environment.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: environment.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: environment.AWS_LAMBDA_LOG_STREAM_NAME,
  };
  return environmentFields;
}

function parseJson(text, name) {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
}

function takeW3c(clientContext) {
  const fields = {};
  if (clientContext !== null && typeof clientContext === "object") {
    const source = clientContext.w3c;
    delete clientContext.w3c;
    for (const name of W3C_FIELDS) {
      if (typeof source?.[name] === "string") fields[name] = source[name];
    }
  }
  return Object.freeze(fields);
}

/** Adds what the headers and the environment say to `context`, in the order of AWS's client up to nodejs22.x. */
export function fillContext(context, headers, environment) {
  Object.assign(context, readEnvironment(environment));
  context.clientContext = parseJson(headers["lambda-runtime-client-context"], "ClientContext");
  context.identity = parseJson(headers["lambda-runtime-cognito-identity"], "CognitoIdentity");
  context.invokedFunctionArn = headers["lambda-runtime-invoked-function-arn"];
  context.awsRequestId = headers["lambda-runtime-aws-request-id"];
  context.tenantId = headers["lambda-runtime-aws-tenant-id"];
  const deadline = Number.parseInt(headers["lambda-runtime-deadline-ms"], 10);
  context.getRemainingTimeInMillis = function () {
    return deadline - Date.now();
  };
  return context;
}

/** The context of nodejs24.x and later, which has no callbacks but the trace. */
export function modernContext(headers, environment) {
  const { functionName, functionVersion, memoryLimitInMB, logGroupName, logStreamName } = readEnvironment(environment);
  const deadline = Number.parseInt(headers["lambda-runtime-deadline-ms"], 10);
  const clientContext = parseJson(headers["lambda-runtime-client-context"], "ClientContext");
  const w3c = takeW3c(clientContext);
  return {
    clientContext,
    identity: parseJson(headers["lambda-runtime-cognito-identity"], "CognitoIdentity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    xRayTraceId: headers["lambda-runtime-trace-id"],
    getRemainingTimeInMillis: function () {
      return deadline - Date.now();
    },
    w3c: function () {
      return w3c;
    },
    functionName,
    functionVersion,
    memoryLimitInMB,
    logGroupName,
    logStreamName,
  };
}
