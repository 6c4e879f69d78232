# The Docker Engine of this machine, however it came here.

# Who installed the engine (first line) and which packages came with it (the others). It is begun before the first
# change and outlives a run that was killed in the middle, so that what we installed is known as ours ever after.
ENGINE_RECORD=/var/lib/pulumi-docker-fleet/engine
# While an installation is under way: all packages that were there before it.
ENGINE_BEFORE=/var/lib/pulumi-docker-fleet/engine.before

# Packages that hold an engine, or look as if they did.
ENGINE_PACKAGES="docker.io docker-ce moby-engine"
CLIENT_PACKAGES="docker-cli docker-ce-cli moby-cli"

# engine_facts USER: everything that decides whether this machine is as wanted. Changes nothing: a stopped daemon is
# not asked, since a connection to docker.socket would start it.
engine_facts() {
    # Before the packages: a dockerd that is being unpacked right now then has a package that says so.
    engine_daemon=$(command -v dockerd) && fact dockerd "$engine_daemon"
    if command -v dpkg-query >/dev/null 2>&1; then
        # shellcheck disable=SC2086
        apt_states $ENGINE_PACKAGES $CLIENT_PACKAGES podman-docker
    fi
    for engine_snap in /snap/docker /var/lib/snapd/snap/docker; do
        if [ -d "$engine_snap" ]; then fact snap "$engine_snap"; fi
    done
    if [ -s "$ENGINE_RECORD" ]; then fact record "$(sed -n 1p "$ENGINE_RECORD")"; fi
    if id -nG "$1" 2>/dev/null | tr ' ' '\n' | grep -qx docker; then fact docker-group "$1"; fi
    if [ -d /run/systemd/system ]; then
        unit_facts docker.service
        # No answer is a finding too, not a failure of the look.
        if unit_active docker.service; then engine_version || :; fi
    fi
}

# engine_version: asks the API; silent when it does not answer. A deadline always: the client was seen to hang for ever
# right after a restart of the daemon.
engine_version() {
    engine_answer=$(timeout -k 2 10 docker -H unix:///var/run/docker.sock version \
        --format '{{.Server.Version}} {{.Server.APIVersion}}' 2>/dev/null) || return 1
    # shellcheck disable=SC2086
    set -- $engine_answer
    [ $# -eq 2 ] || return 1
    fact engine "$1" "$2"
}
