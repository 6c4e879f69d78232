# observe.sh USER: the machine and its Docker Engine, as facts. Changes nothing.
machine_facts
engine_facts "$1"
