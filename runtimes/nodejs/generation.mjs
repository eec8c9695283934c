// AWS has two clients for Node.js: one up to nodejs22.x, and a new one from nodejs24.x on, which has no callbacks and
// treats errors, logs and modules in its own way. Whatever differs between them asks here which one is meant.

const FIRST_MODERN_MAJOR = 24;

/** Whether the function runs in nodejs24.x or later. */
function isModern(environment) {
  const runtime = /^AWS_Lambda_nodejs(\d+)\.x$/.exec(environment.AWS_EXECUTION_ENV ?? "");
  const major = Number.parseInt(runtime?.[1] ?? process.versions.node, 10);
  return major >= FIRST_MODERN_MAJOR;
}

export const MODERN = isModern(process.env);
