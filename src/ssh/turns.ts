import { SessionSlots } from "./slots";

/**
 * sshd refuses new connections at random as soon as ten have not logged in yet (MaxStartups 10:30:100). A `pulumi` run has two
 * processes that connect, the provider and the program: together they stay below that.
 */
const most = 4;

const places = new Map<string, { slots: SessionSlots; users: number }>();

/**
 * Waits for our turn to dial a server, so that many logins at the same address do not look like an attack.
 *
 * @param place the server and the way to it
 * @returns a function that gives the turn to the next
 */
export async function dialTurn(place: string): Promise<() => void> {
    const entry = places.get(place) ?? { slots: new SessionSlots(most), users: 0 };
    places.set(place, entry);
    entry.users += 1;
    const free = await entry.slots.take();
    return () => {
        free();
        entry.users -= 1;
        if (entry.users === 0) {
            places.delete(place);
        }
    };
}
