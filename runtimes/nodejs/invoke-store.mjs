// What belongs to the current invocation, for libraries: `awslambda.InvokeStore` of nodejs24.x and later. The names are
// those of the package @aws/lambda-invoke-store, which takes the global one where there is one.

const PROTECTED_KEYS = {
  REQUEST_ID: Symbol.for("_AWS_LAMBDA_REQUEST_ID"),
  X_RAY_TRACE_ID: Symbol.for("_AWS_LAMBDA_X_RAY_TRACE_ID"),
  TENANT_ID: Symbol.for("_AWS_LAMBDA_TENANT_ID"),
};

class InvokeStoreBase {
  static PROTECTED_KEYS = PROTECTED_KEYS;

  isProtectedKey(key) {
    return Object.values(PROTECTED_KEYS).includes(key);
  }

  /** The request id, or "-" before the first invocation. */
  getRequestId() {
    return this.get(PROTECTED_KEYS.REQUEST_ID) ?? "-";
  }

  getXRayTraceId() {
    return this.get(PROTECTED_KEYS.X_RAY_TRACE_ID);
  }

  getTenantId() {
    return this.get(PROTECTED_KEYS.TENANT_ID);
  }
}

// One invocation at a time: what is current stays so until the next one begins, so that work that an invocation left
// behind is still known by it.
class InvokeStoreSingle extends InvokeStoreBase {
  #current;

  getContext() {
    return this.#current;
  }

  hasContext() {
    return this.#current !== undefined;
  }

  get(key) {
    return this.#current?.[key];
  }

  set(key, value) {
    if (this.isProtectedKey(key)) {
      throw new Error(`Cannot modify protected Lambda context field: ${String(key)}`);
    }
    this.#current ??= {};
    this.#current[key] = value;
  }

  run(context, work) {
    this.#current = context;
    return work();
  }
}

/** The store of this process. */
export function invokeStore() {
  if (globalThis.awslambda === undefined) return new InvokeStoreSingle();
  globalThis.awslambda.InvokeStore ??= new InvokeStoreSingle();
  return globalThis.awslambda.InvokeStore;
}

/** What the store holds of one invocation. */
export function invokeContext(requestId, traceId, tenantId) {
  const context = { [PROTECTED_KEYS.REQUEST_ID]: requestId, [PROTECTED_KEYS.X_RAY_TRACE_ID]: traceId };
  if (tenantId) context[PROTECTED_KEYS.TENANT_ID] = tenantId;
  return context;
}
