"""Programs in children of this process, which has everything imported."""
import os
import sys
import traceback


def forked(program, cwd='.'):
    """Run a program; exit status and what it printed.

    What kills it kills nobody else: the status is negative then.

    Args:
        program: A function; it may raise SystemExit.
        cwd: Where it runs.
    """
    ours, theirs = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            os.chdir(cwd)
            os.dup2(theirs, 1)
            os.dup2(theirs, 2)
            sys.stdout = sys.stderr = open(theirs, 'w', buffering=1)
            program()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(status)
    os.close(theirs)
    with open(ours, errors='replace') as out:
        printed = out.read()
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), printed
