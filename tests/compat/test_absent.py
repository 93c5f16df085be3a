"""What a plain ``pip install`` leaves out, until the doctor has been."""

PROGRAM = """
from hpnet_plugin import cli
cli.COMMANDS['look'] = 'models'  # imports mmaction, as training does
print(cli.main(['look']))
"""


def test_a_missing_stock_package_names_the_one_command(run_without):
    done = run_without(('mmaction', ), PROGRAM)
    assert done.stdout.strip() == '1', done.stderr
    assert done.stderr.splitlines()[-1] == (
        'hpnet look: mmaction is not installed; pip cannot resolve it, '
        '"hpnet doctor --fix" installs it')
