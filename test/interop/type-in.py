"""Runs a command on a terminal of its own and types answers: type-in.py '[["question", "answer"], …]' COMMAND…

Types the first answer once the first question has been shown, and so on; prints all that the terminal has shown, and
exits as the command does.
"""

import fcntl
import json
import os
import pty
import struct
import sys
import termios

answers = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    columns = int(os.environ.get("TERMINAL_COLUMNS", "120"))
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])

shown = b""
seen = 0
while True:
    try:
        chunk = os.read(terminal, 4096)
    except OSError:
        break
    if not chunk:
        break
    shown += chunk
    if answers:
        question, answer = answers[0]
        at = shown.find(question.encode(), seen)
        if at >= 0:
            seen = at + len(question)
            answers.pop(0)
            os.write(terminal, answer.encode() + b"\r")

sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
