"""What a store makes of a cluster that changes under it: played by actors, who count what they are asked."""

import asyncio

import pytest
from cluster_actors import HERE, KEY, SLOT, Node, playing
from store_actor import Part

from cardnet.errors import Unavailable


async def test_a_key_that_has_moved_is_asked_for_where_it_is_now_and_henceforth() -> None:
    async with playing() as cluster:
        cluster.first.plays = lambda command: cluster.at(cluster.second, "MOVED")
        assert await cluster.get() == b"here"
        cluster.master = cluster.second
        assert [await cluster.get() for _ in range(3)] == [b"here"] * 3
        assert len(cluster.second.heard) == 4
        assert len(cluster.first.heard) <= 2  # the second, if who serves what was learnt before the master changed


async def test_a_host_that_is_not_named_is_the_one_that_was_asked() -> None:
    async with playing() as cluster:
        cluster.host = ""
        cluster.first.plays = lambda command: f"-MOVED {SLOT} :{cluster.second.port}\r\n".encode()
        assert await cluster.get() == b"here"


async def test_a_key_on_its_way_is_asked_for_at_its_new_node_with_permission_for_one_question() -> None:
    async with playing() as cluster:
        cluster.first.plays = lambda command: cluster.at(cluster.second, "ASK")
        answers = await asyncio.gather(*(cluster.get() for _ in range(50)))
        assert answers == [b"here"] * 50
        assert cluster.second.heard == [[b"ASKING"], [b"GET", KEY.encode()]] * 50
        assert len(cluster.first.heard) == 50


async def test_who_may_not_ask_there_is_told_so() -> None:
    async with playing() as cluster:
        cluster.first.plays = lambda command: cluster.at(cluster.second, "ASK")
        cluster.second.plays = lambda command: (
            b"-NOPERM no\r\n" if command[0] == b"ASKING" else cluster.at(cluster.first, "MOVED")
        )
        assert "has no right to this command" in str(await cluster.fault())


async def test_keys_that_are_being_moved_are_asked_for_until_they_have_arrived() -> None:
    async with playing() as cluster:
        answers = iter([b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n"] * 4 + [HERE])
        cluster.first.plays = lambda command: next(answers)
        assert await cluster.get() == b"here"
        assert len(cluster.first.heard) == 5


async def test_nodes_that_send_one_to_each_other_are_not_asked_without_end() -> None:
    async with playing() as cluster:
        cluster.store._servers._timeout_s = 0.1  # for keys that are on their way, and for nothing else
        cluster.first.plays = lambda command: cluster.at(cluster.second, "MOVED")
        cluster.second.plays = lambda command: cluster.at(cluster.first, "MOVED")
        fault = await cluster.fault()
        assert (fault.reason, str(fault)) == (
            "STORE_UNAVAILABLE",
            "the issuer's store is a cluster that is moving this key to another node; ask again in a moment",
        )
        assert len(cluster.first.heard) + len(cluster.second.heard) < 20


async def test_a_cluster_that_is_down_is_asked_once_and_says_so() -> None:
    async with playing() as cluster:
        cluster.first.plays = lambda command: b"-CLUSTERDOWN The cluster is down\r\n"
        fault = await cluster.fault()
        assert (fault.reason, str(fault)) == (
            "STORE_UNAVAILABLE",
            "the issuer's store is a cluster in which nobody serves this key now; "
            "ask again when a replica has taken over",
        )
        assert len(cluster.first.heard) == 1


async def test_a_slot_that_nobody_has_is_not_asked_for() -> None:
    async with playing() as cluster:
        cluster.last_slot = SLOT - 1
        assert "nobody serves this key now" in str(await cluster.fault())
        assert not cluster.first.heard
        assert not await cluster.store.ping()
        with pytest.raises(Unavailable, match="nobody serves"):
            await cluster.store.open()


async def test_an_answer_that_was_lost_is_not_asked_for_again_by_anybody() -> None:
    async with playing() as cluster:

        def hang_up(_: list[bytes]) -> None:
            cluster.master = cluster.second  # who could be asked as well, and must not

        cluster.first.plays = hang_up
        with pytest.raises(Unavailable) as fault:
            await cluster.store.command("INCR", KEY)
        assert fault.value.reason == "STORE_UNAVAILABLE"
        await cluster.store.ping()
        assert cluster.first.heard == [[b"INCR", KEY.encode()]]
        assert not cluster.second.heard


async def test_when_a_node_has_gone_the_others_say_who_took_its_place() -> None:
    async with playing() as cluster:
        assert await cluster.get() == b"here"
        cluster.first.leave()
        cluster.master = cluster.second
        answered = await cluster.get_or_fault(), await cluster.get()  # what found the connection broken may be lost
        assert answered[1] == b"here"
        assert cluster.second.heard == [[b"GET", KEY.encode()]] * answered.count(b"here")
        assert await cluster.store.ping()


async def test_what_found_no_connection_is_asked_of_whoever_took_the_place() -> None:
    async with playing() as cluster:
        cluster.first.leave()
        told = iter([cluster.first, cluster.second])
        slots = cluster.slots

        def news() -> bytes:
            cluster.master = next(told)
            return slots()

        cluster.slots = news  # type: ignore[method-assign]
        assert await cluster.get() == b"here"
        assert cluster.second.heard == [[b"GET", KEY.encode()]]


async def test_until_somebody_has_taken_its_place_it_does_not_answer() -> None:
    async with playing() as cluster:
        assert await cluster.get() == b"here"
        cluster.first.leave()
        assert str(await cluster.fault()) == "the issuer's store does not answer; is it running?"
        assert not await cluster.store.ping()
        assert not cluster.second.heard


async def test_when_all_nodes_have_gone_it_does_not_answer_and_comes_back_by_itself() -> None:
    async with playing() as cluster:
        assert await cluster.get() == b"here"
        cluster.first.leave()
        cluster.second.leave()
        await cluster.get_or_fault()
        assert str(await cluster.fault()) == "the issuer's store does not answer; is it running?"
        assert not await cluster.store.ping()
        await cluster.first.enter()
        assert await cluster.get() == b"here"


async def test_functions_are_loaded_where_they_are_missing_and_nothing_is_done_twice() -> None:
    library = "function functions.hold(keys, args) return 1 end"
    async with playing(library=library) as cluster:
        known: set[Node] = set()

        def part_of(node: Node) -> Part:
            def part(command: list[bytes]) -> bytes:
                if command[0] == b"SCRIPT":
                    known.add(node)
                elif command[0] == b"EVALSHA" and node not in known:
                    return b"-NOSCRIPT No matching script.\r\n"
                return HERE

            return part

        cluster.first.plays, cluster.second.plays = part_of(cluster.first), part_of(cluster.second)
        await cluster.store.open()
        assert known == {cluster.first}
        cluster.master = cluster.second
        cluster.first.plays = lambda command: cluster.at(cluster.second, "MOVED")
        assert await cluster.store.call("hold", [KEY], []) == b"here"
        assert [command[0] for command in cluster.second.heard] == [b"EVALSHA", b"SCRIPT", b"EVALSHA"]


async def test_keys_in_two_slots_are_our_own_mistake_and_no_node_hears_of_them() -> None:
    async with playing() as cluster:
        with pytest.raises(ValueError, match="share a hash tag"):
            await cluster.store.call("hold", [KEY, "issuer:{b}:account"], [])
        assert not cluster.first.heard


async def test_a_hundred_that_do_not_know_the_cluster_ask_for_it_once() -> None:
    async with playing() as cluster:
        await asyncio.gather(*(cluster.get() for _ in range(100)))
        assert cluster.first.actor.heard.count([b"CLUSTER", b"SLOTS"]) == 1
        assert cluster.first.actor.connections == 1
        assert not cluster.second.actor.connections


async def test_closing_ends_what_is_in_flight() -> None:
    async with playing() as cluster:
        cluster.first.plays = lambda command: b""
        asking = asyncio.create_task(cluster.fault())
        while not cluster.first.heard:  # noqa: ASYNC110 - it sets no Event
            await asyncio.sleep(0)
        await cluster.store.close()
        assert (await asking).reason == "STORE_UNAVAILABLE"


async def test_a_server_that_is_no_cluster_says_so() -> None:
    async with playing() as cluster:
        cluster.slots = lambda: b"-ERR This instance has cluster support disabled\r\n"  # type: ignore[method-assign]
        assert str(await cluster.fault()) == (
            "the issuer's store refuses: it is no cluster: its URL must begin with redis:// or rediss://"
        )
