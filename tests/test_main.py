import subprocess
import sys

import bartleby


def test_the_package_runs_as_the_command():
    ran = subprocess.run([sys.executable, "-m", "bartleby", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"bartleby {bartleby.__version__}\n"
