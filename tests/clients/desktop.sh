# For drivers of programs with windows: a screen of their own that nobody sees, with a window manager, a session bus and
# the bus for screen readers. `desktop` does what a person does there.
needs Xvfb openbox xdotool dbus-daemon "$PYTHON"

export XDG_RUNTIME_DIR=$SCRATCH/run XDG_CONFIG_HOME=$HOME/.config
mkdir -m 700 "$XDG_RUNTIME_DIR"
exec {display_output}< <(exec Xvfb -displayfd 1 -screen 0 1200x800x24 -nolisten tcp 2>"$SCRATCH/xvfb")
SCREEN=$!
AT_END+=('kill "$SCREEN"')
read -r -u "$display_output" display || exit 1
export DISPLAY=:$display
exec {bus_output}< <(exec dbus-daemon --session --print-address=1 --nofork 2>"$SCRATCH/bus")
BUS=$!
AT_END+=('kill "$BUS"')
read -r -u "$bus_output" DBUS_SESSION_BUS_ADDRESS || exit 1
export DBUS_SESSION_BUS_ADDRESS
# programs tell screen readers what they show
export NO_AT_BRIDGE=0 GTK_MODULES=gail:atk-bridge ACCESSIBILITY_ENABLED=1
background openbox openbox

# desktop: takes the steps on standard input, see desktop.py; says what it saw
desktop() { "$PYTHON" -I "$CLIENTS/desktop.py"; }
