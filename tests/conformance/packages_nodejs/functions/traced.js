exports.handler = async (event) => ({ traced: event.value });
