# observe.sh: the machine and its Docker daemon's configuration, as facts. Changes nothing.
machine_facts
daemon_facts
