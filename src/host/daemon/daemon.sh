# The Docker daemon of this machine, its configuration, and what we know of both.

# What we keep: root's alone, since settings may hold the password of a proxy.
DAEMON_HOME=/var/lib/pulumi-docker-fleet/daemon
# One file per resource: whose it is and which settings belong to it.
DAEMON_OWNERS=$DAEMON_HOME/owners
# What the daemon has read (loaded.json), as far as we brought it to that, and in which of its lives (loaded.invocation).
DAEMON_READ=$DAEMON_HOME/loaded
# A change that is under way, or that was killed.
DAEMON_CHANGE=$DAEMON_HOME/change
DAEMON_FILE=/etc/docker/daemon.json
DAEMON_DROP_INS=/etc/systemd/system/docker.service.d
# The certificates for TLS that we brought.
DAEMON_CERTIFICATES=/etc/docker/docker-fleet-tls

# daemon_docker ARGUMENT...: the client, with a deadline: it was seen to hang for ever right after a restart of the daemon.
daemon_docker() { timeout -k 2 15 docker -H unix:///var/run/docker.sock "$@" 2>/dev/null; }

daemon_answers() { [ -n "$(daemon_docker version --format '{{.Server.Version}}')" ]; }

daemon_pid() { unit_property docker.service MainPID; }

# daemon_alive: the daemon runs and answers. One that is stopped is not asked, since docker.socket would start it.
daemon_alive() { unit_active docker.service && daemon_answers; }

# daemon_encoded FILE
daemon_encoded() { base64 <"$1" | tr -d '\n'; }

# daemon_sum FILE: its SHA-256, or "absent".
daemon_sum() {
    if [ -e "$1" ]; then sha256sum <"$1" | cut -d ' ' -f 1; else echo absent; fi
}

# daemon_containers: a line for each running container: id, pid, restart policy, name.
daemon_containers() {
    daemon_ids=$(daemon_docker ps -q --no-trunc) || return 1
    [ -n "$daemon_ids" ] || return 0
    # shellcheck disable=SC2086
    daemon_docker inspect --format '{{.Id}} {{.State.Pid}} {{.HostConfig.RestartPolicy.Name}} {{.Name}}' $daemon_ids || :
}

# What the daemon tells about itself, as far as it says something about its settings.
DAEMON_INFO='{"version":{{json .ServerVersion}},"liveRestore":{{json .LiveRestoreEnabled}},"debug":{{json .Debug}}'
DAEMON_INFO=$DAEMON_INFO',"labels":{{json .Labels}},"logDriver":{{json .LoggingDriver}},"runtime":{{json .DefaultRuntime}}'
DAEMON_INFO=$DAEMON_INFO',"mirrors":{{json .RegistryConfig.Mirrors}},"storage":{{json .Driver}},"root":{{json .DockerRootDir}}'
DAEMON_INFO=$DAEMON_INFO',"images":{{json .Images}},"containers":{{json .Containers}},"logDrivers":{{json .Plugins.Log}},"swarm":{{json .Swarm.LocalNodeState}}}'

# daemon_facts: everything that decides what has to be done. Changes nothing.
daemon_facts() {
    if command -v dockerd >/dev/null 2>&1; then fact dockerd "$(command -v dockerd)"; fi
    fact file "$(daemon_sum "$DAEMON_FILE")"
    if [ -e "$DAEMON_FILE" ]; then
        fact file-changed "$(stat -c %Y "$DAEMON_FILE")"
        fact file-content "$(daemon_encoded "$DAEMON_FILE")"
    fi
    for daemon_path in "$DAEMON_DROP_INS"/docker-fleet-*; do
        [ -f "$daemon_path" ] || continue
        fact drop-in "$daemon_path" "$(daemon_sum "$daemon_path")" "$(daemon_encoded "$daemon_path")"
    done
    for daemon_path in "$DAEMON_CERTIFICATES"/*.pem; do
        [ -f "$daemon_path" ] || continue
        fact certificate "$daemon_path" "$(daemon_sum "$daemon_path")" "$(stat -c %a "$daemon_path")" "$(stat -c %U "$daemon_path")"
    done
    for daemon_path in "$DAEMON_OWNERS"/*.json; do
        [ -f "$daemon_path" ] || continue
        fact owner "$(basename "$daemon_path" .json)" "$(daemon_encoded "$daemon_path")"
    done
    if [ -f "$DAEMON_READ.json" ]; then
        fact loaded "$(cat "$DAEMON_READ.invocation")" "$(daemon_encoded "$DAEMON_READ.json")"
    fi
    if [ -d "$DAEMON_CHANGE" ]; then fact unfinished yes; fi
    ip -4 route show 2>/dev/null | sed -n 's/^\([0-9][0-9./]*\) \(.* \)\{0,1\}dev \([^ ]*\).*/\1 \3/p' |
        while read -r daemon_network daemon_name; do fact route "$daemon_network" "$daemon_name"; done
    [ -d /run/systemd/system ] || return 0
    unit_facts docker.service docker.socket
    daemon_unit=$(timeout 20 systemctl cat docker.service 2>/dev/null | base64 | tr -d '\n')
    fact unit-text "$daemon_unit"
    unit_property docker.service EnvironmentFiles | while read -r daemon_path daemon_rest; do
        if [ -f "$daemon_path" ]; then fact environment-file "$daemon_path" "$(daemon_encoded "$daemon_path")"; fi
    done
    if ! unit_active docker.service; then
        if command -v dockerd >/dev/null 2>&1; then
            fact dockerd-version "$(timeout -k 2 15 dockerd --version 2>/dev/null | sed -n 's/^Docker version \([^ ,]*\).*/\1/p')"
        fi
        return 0
    fi
    # In the form of a number, whatever the machine's time zone.
    daemon_since=$(unit_property docker.service ExecMainStartTimestamp)
    fact process "$(unit_property docker.service InvocationID)" "$(date -d "$daemon_since" +%s 2>/dev/null)"
    daemon_said=$(daemon_docker info --format "$DAEMON_INFO") || return 0
    [ -n "$daemon_said" ] || return 0
    fact info "$(printf '%s' "$daemon_said" | base64 | tr -d '\n')"
    daemon_root=$(printf '%s' "$daemon_said" | sed -n 's/.*"root":"\([^"]*\)".*/\1/p')
    fact volumes "$(find "$daemon_root/volumes" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | wc -l)"
    daemon_containers | while read -r daemon_id daemon_process daemon_policy daemon_name; do
        fact container "${daemon_name#/}" "$daemon_policy"
    done
}
