export const handler = async (event) => {
  console.log("an ordinary line of a function's log, of a usual length of some eighty letters");
  return event;
};
