"""Prints what stem, an independent controller, learns from the tor at a control socket."""

import json
import sys

from stem.control import Controller

with Controller.from_socket_file(sys.argv[1]) as controller:
    controller.authenticate()
    print(json.dumps({
        'version': controller.get_info('version'),
        'detached': controller.list_ephemeral_hidden_services(our_services=False, detached=True),
        'bootstrap': controller.get_info('status/bootstrap-phase'),
        'singleHop': controller.get_conf('HiddenServiceSingleHopMode'),
    }))
