# Sourced by ./pc, ./test and ./dev with $root set to the repository: finds the .NET SDK and what else is needed, and
# installs what is missing. As root through apt-get; otherwise into the repository's .cache folder, without asking anything.

say() { printf '%s\n' "$*" >&2; }

fail() { # MESSAGE HINT
  say "error: $1"
  say "  try: $2"
  exit 1
}

tools=$root/.cache/tools

# What pc needs at run time; each is found by a file, so that a look costs no process.
missing_runtime_packages() {
  missing=()
  have bubblewrap bin/bwrap
  have slirp4netns bin/slirp4netns
  have iproute2 '*bin/ip'
  have python3 bin/python3
  have libseccomp2 'lib/*/libseccomp.so.2'
  have libsqlite3-0 'lib/*/libsqlite3.so.0'
  have libssl3 'lib/*/libssl.so.3'
  have ca-certificates share/ca-certificates
}

have() { # PACKAGE GLOB-BELOW-USR
  local place
  # shellcheck disable=SC2206 # the glob is meant to expand
  for place in /usr /usr/local '' "$tools/usr" "$tools"; do
    local found=($place/$2)
    [ -e "${found[0]}" ] && return
  done
  # A program may be anywhere on the PATH.
  case $2 in *bin/*) command -v "${2#*bin/}" > /dev/null 2>&1 && return ;; esac
  missing+=("$1")
}

# Installs Debian packages as root, else fetches them with all they need and unpacks them below .cache/tools.
install_packages() { # PACKAGE...
  command -v apt-get > /dev/null || fail "these Debian packages are missing and this machine has no apt-get: $*" "install what they hold with your system's package manager"
  mkdir -p "$root/.cache"
  if [ "$(id -u)" = 0 ]; then
    say "installing Debian packages: $*"
    local options=(-q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install --no-install-recommends "$@" > "$root/.cache/apt.log" 2>&1 < /dev/null && return
    # The lists may be missing or old: fetch them once and try again.
    apt-get "${options[@]}" update > "$root/.cache/apt.log" 2>&1 < /dev/null || true
    DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install --no-install-recommends "$@" >> "$root/.cache/apt.log" 2>&1 < /dev/null && return
    tail -n 5 "$root/.cache/apt.log" >&2
    fail "apt-get could not install: $*" "apt-get update && apt-get install $*"
  fi
  say "not root: unpacking Debian packages into .cache/tools: $*"
  local apt=(apt-get -q -o "Dir::State=$root/.cache/apt" -o Dir::State::status=/var/lib/dpkg/status -o "Dir::Cache=$root/.cache/apt" -o Debug::NoLocking=1)
  mkdir -p "$root/.cache/apt/lists/partial" "$root/.cache/apt/archives/partial" "$tools"
  local wanted
  "${apt[@]}" update > "$root/.cache/apt.log" 2>&1 || { tail -n 5 "$root/.cache/apt.log" >&2; fail "the package lists could not be fetched" "check the network, or ask an administrator: apt-get install $*"; }
  wanted=$("${apt[@]}" install --simulate --no-install-recommends "$@" 2>> "$root/.cache/apt.log" | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
  # What the system has already but not where it is looked for is fetched by its own name.
  (cd "$root/.cache/apt/archives" && "${apt[@]}" download ${wanted:-"$@"} >> "$root/.cache/apt.log" 2>&1) \
    || { tail -n 5 "$root/.cache/apt.log" >&2; fail "these Debian packages could not be fetched: $*" "ask an administrator: apt-get install $*"; }
  local package
  for package in "$root"/.cache/apt/archives/*.deb; do dpkg -x "$package" "$tools"; rm -f "$package"; done
}

# Makes what was unpacked below .cache/tools visible to programs, the runtimes included (PC_TOOLS).
use_unpacked_tools() {
  [ -d "$tools/usr" ] || return 0
  export PC_TOOLS=$tools PATH="$PATH:$tools/usr/bin:$tools/usr/sbin:$tools/sbin:$tools/bin"
  local folders=("$tools"/usr/lib/*-linux-gnu "$tools"/lib/*-linux-gnu) folder
  for folder in "${folders[@]}"; do
    if [ -d "$folder" ]; then LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"; fi
  done
  export LD_LIBRARY_PATH
  if [ ! -e /etc/ssl/certs/ca-certificates.crt ] && [ -d "$tools/usr/share/ca-certificates/mozilla" ]; then
    [ -s "$tools/certificates.pem" ] || cat "$tools"/usr/share/ca-certificates/mozilla/*.crt > "$tools/certificates.pem"
    export SSL_CERT_FILE=$tools/certificates.pem
  fi
}

# Finds dotnet: DOTNET_ROOT, PATH, the usual folders. Sets DOTNET_ROOT, which the built program needs too.
find_dotnet() {
  local place
  if [ -z "${DOTNET_ROOT:-}" ] || [ ! -x "$DOTNET_ROOT/dotnet" ]; then
    for place in /usr/share/dotnet /usr/lib/dotnet "$(command -v dotnet || true)" "$HOME/.dotnet" /usr/local/share/dotnet /opt/dotnet; do
      if [ -n "$place" ] && [ -f "$place" ]; then place=$(dirname "$(readlink -f "$place")"); fi
      if [ -n "$place" ] && [ -x "$place/dotnet" ]; then DOTNET_ROOT=$place; break; fi
    done
  fi
  [ -n "${DOTNET_ROOT:-}" ] || fail "the .NET 10 SDK was not found" "install it (package dotnet-sdk-10.0, or the archive from dot.net), or set DOTNET_ROOT to its folder"
  export DOTNET_ROOT
}

# Checked only before a build: the built program needs the runtime alone.
need_sdk() {
  local sdks=("$DOTNET_ROOT"/sdk/10.*)
  [ -e "${sdks[0]}" ] || fail "there is no .NET 10 SDK in $DOTNET_ROOT" "install it (package dotnet-sdk-10.0, or the archive from dot.net), or set DOTNET_ROOT to its folder"
  export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 DOTNET_CLI_WORKLOAD_UPDATE_NOTIFY_DISABLE=1 DOTNET_GENERATE_ASPNET_CERTIFICATE=false
  local icu=(/usr/lib/*/libicuuc.so.*)
  [ -e "${icu[0]}" ] || export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
  dotnet=$DOTNET_ROOT/dotnet
}

# Builds pc in Release when a source is newer than the last build. Each build has a folder of its own, so that a running
# daemon keeps the files that it was started with; folders that nothing runs from are removed.
build_pc() {
  local sources=("$root/src" "$root/Directory.Build.props" "$root/Directory.Build.targets" "$root/Directory.Packages.props" "$root/global.json") old
  local built=$root/artifacts/pc
  pc_is_fresh() { [ -x "$built/current/pc" ] && [ -z "$(find "${sources[@]}" -newer "$built/stamp" ! -name packages.lock.json -print -quit)" ]; }
  pc_is_fresh && return
  need_sdk
  mkdir -p "$built"
  # -o: the compiler server that a build leaves behind must not inherit the lock.
  exec 8> "$built/lock"
  flock 8
  pc_is_fresh && { exec 8>&-; return; }
  say "building pc (once; about a minute on a small machine)"
  local number=1
  while [ -e "$built/$number" ]; do number=$((number + 1)); done
  touch "$built/stamp.new"
  if ! "$dotnet" publish "$root/src/Cli/Cli.csproj" -c Release -o "$built/$number" -m:2 --nologo -v quiet -p:RunAnalyzers=false -p:UseSharedCompilation=false -nodeReuse:false -p:GenerateDocumentationFile=false > "$built/build.log" 2>&1 8>&- < /dev/null; then
    rm -rf "${built:?}/$number"
    grep -E 'error|warn' "$built/build.log" | sort -u | head -n 20 >&2 || tail -n 20 "$built/build.log" >&2
    fail "the build failed; all of its output is in artifacts/pc/build.log" "check the network if packages could not be restored, else report it"
  fi
  ln -sfn "$number" "$built/current"
  mv "$built/stamp.new" "$built/stamp"
  for old in "$built"/[0-9]*; do
    [ "${old##*/}" = "$number" ] || in_use "$old" || rm -rf "$old"
  done
  exec 8>&-
}

in_use() { # FOLDER
  local process
  for process in /proc/[0-9]*/exe; do
    [ "$(readlink "$process" 2> /dev/null)" = "$1/pc" ] && return 0
  done
  return 1
}
