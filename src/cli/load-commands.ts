/**
 * Loads the code of the command that was asked for, and that of all commands when it is none of them, as for the help:
 * loading everything takes several times as long.
 */
export async function loadCommands<T>(
  commands: Readonly<Record<string, () => Promise<T>>>,
  asked: string | undefined,
): Promise<T[]> {
  const load = asked !== undefined && Object.hasOwn(commands, asked) ? commands[asked] : undefined
  return await Promise.all(load ? [load()] : Object.values(commands).map((each) => each()))
}
