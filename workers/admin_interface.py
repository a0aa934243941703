"""The operators' interface: a service of the admin process."""

from typing import Any

import trio

from workers import approvals_fleet, held_escalation
from workers.admin_access import AccessDesk
from workers.admin_approvals import Approvals
from workers.admin_bars import Keeper
from workers.admin_operations import Operations
from workers.admin_process import Desk
from workers.admin_server import Server
from workers.admin_strangers import Strangers
from workers.approval_channels import ApprovalChannels
from workers.approval_statistics import ApprovalStatistics
from workers.console_live import Watch
from workers.delegations import Delegations
from workers.held_desk import HeldDesk
from workers.held_fleet import HeldFleet
from workers.shared_approvals import HELD, REQUEST


async def serve(desk: Desk) -> None:
    """For ever."""
    keeper, strangers = Keeper(desk), Strangers(desk)
    fleet = approvals_fleet.of(desk)
    access, held = AccessDesk(desk, fleet), HeldDesk(desk, fleet)
    delegations = Delegations(desk, fleet)
    held.lent = access.lent = delegations.to
    held.confirm = access.confirm = delegations.confirm
    channels = ApprovalChannels(desk, access, held, fleet)
    watch = Watch()
    access.onlooker = held.onlooker = watch.changed

    def application() -> Any:
        from workers.admin_app import application
        from workers.channel_routes import routes
        from workers.console_app import Console

        of_people = [*delegations.all(), *ApprovalStatistics(held).all()]
        approvals = Approvals(access, held)
        console = Console(desk, approvals, strangers, watch)
        operations = [*Operations(keeper).all(), *approvals.all(), *of_people]
        return application(desk, operations, strangers, [*routes(channels.callbacks), *console.routes()])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.keep)
        nursery.start_soon(strangers.tell)
        nursery.start_soon(access.keep)
        await nursery.start(channels.serve)
        if fleet is not None:
            for channel in (HELD, REQUEST):
                fleet.hears(channel, watch.heard)
            fleet.begins(watch.heard)
            nursery.start_soon(HeldFleet(fleet, held).keep)
            nursery.start_soon(fleet.keep)
        nursery.start_soon(delegations.keep)
        nursery.start_soon(held.keep)
        nursery.start_soon(held_escalation.keep, held)
        nursery.start_soon(held.serve)
        nursery.start_soon(Server(desk, application).serve)
