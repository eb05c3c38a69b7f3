"""The command `otpconv`, also as `python -m otpconv`."""

import sys

#: What the extra `cli` brings.
_LIBRARIES = {"httpx", "rich", "typer"}
_MISCONFIGURED = 2


def main() -> None:
    """Run the command line and exit; where its libraries are not installed, say what to install."""
    try:
        from otpconv.cli.main import run
    except ModuleNotFoundError as error:
        if error.name not in _LIBRARIES:
            raise
        print(
            f"otpconv: the command line is not installed ({error.name} is missing):"
            " pip install 'otpconv[cli]'",
            file=sys.stderr,
        )
        sys.exit(_MISCONFIGURED)
    run()


if __name__ == "__main__":
    main()
