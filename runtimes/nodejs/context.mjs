// The context object (AWS Lambda Developer Guide, "Using the Lambda context object to retrieve Node.js function
// information").

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

/** Has the environment read again: it has become another. */
export function forgetEnvironment() {
  environmentFields = undefined;
}

function parseJson(text, name) {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot parse ${name} as json: ${error}`);
  }
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
  return {
    clientContext: parseJson(headers["lambda-runtime-client-context"], "ClientContext"),
    identity: parseJson(headers["lambda-runtime-cognito-identity"], "CognitoIdentity"),
    invokedFunctionArn: headers["lambda-runtime-invoked-function-arn"],
    awsRequestId: headers["lambda-runtime-aws-request-id"],
    tenantId: headers["lambda-runtime-aws-tenant-id"],
    // Always there, as from AWS's client: an empty text where there is no trace.
    xRayTraceId: headers["lambda-runtime-trace-id"] ?? "",
    getRemainingTimeInMillis: function () {
      return deadline - Date.now();
    },
    functionName,
    functionVersion,
    memoryLimitInMB,
    logGroupName,
    logStreamName,
  };
}
