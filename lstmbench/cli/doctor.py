"""``lstmbench doctor``: what is installed, how quiet the machine is, what would be skipped."""

import json
from typing import Annotated

from typer import Option

from lstmbench.cli.program import AsJson, app, console, print_implementations


@app.command(epilog="Example: `lstmbench doctor --seconds 5`")
def doctor(
    seconds: Annotated[
        float, Option(min=0.1, max=600, help="How long to measure the machine's noise.")
    ] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show what is installed, the devices, this machine's noise, and what would be skipped."""
    from lstmbench import doctor as examination
    from lstmbench.results.machine_identity import describe_cores, describe_cpu

    noise = examination.measure_noise(seconds)  # before the frameworks start their threads
    found = examination.examine()
    if as_json:
        print(json.dumps(found | {"noise": vars(noise) | {"verdict": noise.verdict}}, indent=2))
        return
    machine, git = found["machine"], found["git"]
    console.print(
        f"{describe_cpu(machine)}, {describe_cores(machine)}, "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB; {machine['os']}; Python {found['python']}"
    )
    console.print(f"commit: {git['commit'] or git.get('reason', 'none, this is no git checkout')}")
    print_implementations(found["implementations"])
    for name, code_path in found["frameworks"]["code_paths"].items():
        console.print(f"{name}: {code_path}")
    for package, is_installed in found["notebook_packages"].items():
        state = "installed" if is_installed else "not installed: notebooks cannot be run"
        console.print(f"{package}: {state}")
    console.print(noise.description)
    for suite, reasons in found["skipped"].items():
        console.print(f"suite {suite}: {'skipped here:' if reasons else 'everything runs'}")
        for reason, count in reasons.items():
            console.print(f"  {count} cases: {reason}")
