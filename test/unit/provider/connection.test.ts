import { z } from "zod";
import { connectionSchema } from "../../../src/provider/connection";
import { unknownValue } from "../../../src/provider/json";
import { validate } from "../../../src/provider/validate";

const schema = z.strictObject({ connection: connectionSchema });
const problems = (connection: object) =>
    validate(schema, { connection }).problems.map(({ path, problem }) => `${path.join(".")}: ${problem}`);

describe("the connection argument", () => {
    it("takes jump hosts to any depth, with parts that are not known yet, and says nothing of what is not given", () => {
        const proxy = { host: "b", password: unknownValue, proxy: { host: "c", user: "jump", password: null } };
        expect(validate(schema, { connection: { host: "a", proxy } })).toEqual({
            problems: [],
            value: {
                connection: {
                    host: "a",
                    proxy: { host: "b", password: unknownValue, proxy: { host: "c", user: "jump" } },
                },
            },
        });
    });

    it("refuses two ways at once, and a proxy that is none, already in the preview", () => {
        expect(problems({ host: "a", proxyCommand: "nc %h %p", proxyUrl: "http://proxy" })).toEqual([
            expect.stringMatching(/^connection\.proxyUrl: cannot be set together/),
        ]);
        expect(problems({ host: "a", proxy: { host: "b", proxyUrl: "ftp://proxy" } })).toEqual([
            "connection.proxy.proxyUrl: must begin with socks5:// or http://, not with ftp://",
        ]);
    });

    it.each([["known"], [unknownValue]])("finds mistakes in jump hosts beside a value that is %s", (password) => {
        const found = problems({ host: "a", proxy: { host: "b", prot: 1, proxy: { host: "c", port: 0, password } } });
        expect(found).toEqual(
            expect.arrayContaining([
                "connection.proxy.prot: there is no such argument; did you mean port?",
                "connection.proxy.proxy.port: expected a port from 1 to 65535",
            ]),
        );
        expect(found).toHaveLength(2);
    });
});
