let ticks = 0;
setInterval(() => (ticks += 1), 10);

export const handler = async (event) => {
  const before = ticks;
  await new Promise((wake) => setTimeout(wake, (event.seconds ?? 0) * 1000));
  return { before, after: ticks };
};
