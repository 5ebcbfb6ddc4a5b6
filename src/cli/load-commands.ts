/** Loads the command that was asked for, or all of them for the help: that takes several times as long. */
export async function loadCommands<T>(
  commands: Readonly<Record<string, () => Promise<T>>>,
  asked: string | undefined,
): Promise<T[]> {
  const load = asked !== undefined && Object.hasOwn(commands, asked) ? commands[asked] : undefined
  return await Promise.all(load ? [load()] : Object.values(commands).map((each) => each()))
}
