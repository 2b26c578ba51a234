# What the scripts share: set-up of a Debian machine and the build. Sourced, not run.
# Nothing here reads standard input.

PROJECT_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

say() { printf '\n== %s\n' "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Runs a command as root: directly, or by sudo.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo -n "$@" || die "'sudo $*' failed: run this script as root, or install its packages first"
  else
    die "root or sudo is needed to install packages"
  fi
}

have_package() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'; }

# ensure_packages NAME…: installs those that are missing, and says which.
ensure_packages() {
  local missing=() name
  for name in "$@"; do
    have_package "$name" || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "installing ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq </dev/null
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
}

BUILD_PACKAGES=(build-essential cmake ninja-build pkg-config libseccomp-dev libabsl-dev
  libtomlplusplus-dev libcli11-dev nlohmann-json3-dev libgtest-dev libgmock-dev
  libbenchmark-dev libdtl-dev libboost-dev libspdlog-dev libsystemd-dev)
TEST_PACKAGES=(git sqlite3 busybox-static acl attr btrfs-progs
  python3-venv python3-pip curl perl rsync cpio patch xz-utils bzip2 vim-tiny nano tmux stress-ng fio
  libglib2.0-tests g++-aarch64-linux-gnu jq python3-jsonschema)
# Servers that tests start by themselves, inside sessions. Where an init runs, their packages would start them as services
# of the machine: there they are not installed, and the tests that miss them say so.
SERVER_PACKAGES=(postgresql redis-server)

ensure_build_packages() {
  ensure_packages "${BUILD_PACKAGES[@]}"
  # An interpreter that the system already has, from wherever, is left alone.
  [ -x /usr/bin/python3 ] || ensure_packages python3
}

ensure_test_packages() {
  local version
  version="$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  ensure_packages "${TEST_PACKAGES[@]}" "libpython$version-testsuite"
  [ -d /run/systemd/system ] || ensure_packages "${SERVER_PACKAGES[@]}"
  command -v node >/dev/null || ensure_packages nodejs
  command -v npm >/dev/null || ensure_packages npm
}

# build_preset PRESET [TARGET…]: configures and builds build/PRESET. A tree that is new is compiled several files at once,
# which is quicker: most of the time goes into headers. One that is there keeps what it was configured with.
build_preset() {
  local preset="$1"
  shift
  say "building the $preset preset"
  (
    cd "$PROJECT_ROOT"
    log="$(mktemp)"
    trap 'rm -f "$log"' EXIT
    together=()
    [ -e "build/$preset/CMakeCache.txt" ] || together=(-DCMAKE_UNITY_BUILD=ON)
    cmake --preset "$preset" "${together[@]}" >"$log" 2>&1 </dev/null || {
      cat "$log" >&2
      exit 1
    }
    if [ $# -gt 0 ]; then
      cmake --build "build/$preset" --target "$@" </dev/null
    else
      cmake --build "build/$preset" </dev/null
    fi
  )
}
