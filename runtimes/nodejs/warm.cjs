// What stands for a function while the client gets warm (waiting.mjs). It does what most handlers do.
exports.handler = async (event, context) => {
  console.log("warm", context.getRemainingTimeInMillis());
  return event;
};
