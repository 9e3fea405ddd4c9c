#!/usr/bin/env bash
# Makes sure that there is a Rust that builds the project, with its formatter and its linter.
set -euo pipefail

project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$project"
wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

if ! command -v cargo >/dev/null; then
    echo "cargo is missing: install Rust $wanted or newer with rustup" >&2
    exit 1
fi
found=$(rustc --version | cut -d ' ' -f 2)
if [ "$(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)" != "$wanted" ]; then
    echo "Rust $found is too old: the project needs $wanted or newer ('rustup update stable')" >&2
    exit 1
fi
for component in rustfmt clippy; do
    command="cargo-${component/rustfmt/fmt}"
    if ! "$command" --version >/dev/null 2>&1; then
        echo "installing $component"
        rustup component add "$component"
    fi
done
