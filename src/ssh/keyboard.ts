/** One question of the server. */
export interface Prompt {
    prompt: string;
    /** Whether the answer may be shown while it is typed. */
    echo?: boolean;
}

/** A question that nothing we have is an answer to. */
export interface Unanswerable {
    prompt: string;
    /** The same question again, a new password to choose, or anything else. */
    kind: "again" | "new password" | "other";
}

/** Answers to the questions of a keyboard-interactive login: one for each, or the first that has none. */
export type Answerer = (prompts: Prompt[]) => string[] | Unanswerable;

// The questions of PAM's modules, of sshd itself, and of the usual directories and second factors.
const forNewPassword = /\bnew\b.*password|(retype|re-enter|confirm).*password|current password/i;
const forCode =
    /one[- ]?time|\botp\b|code|token|\bpin\b|verification|authenticator|duo|factor|yubikey|response|challenge/i;
const forPassword =
    /passwor[dt]|passwd|passphrase|kennwort|mot de passe|contrase|senha|wachtwoord|lösenord|hasło|пароль|密码|密碼|パスワード/i;

/**
 * Answers every prompt for a password with the login's password, each wording once: the same question again means that the
 * answer was wrong. A single hidden prompt that comes first counts as one in whatever language it is. Codes, new passwords
 * and questions are for people.
 */
export function answerWithPassword(password: string): Answerer {
    const asked = new Set<string>();
    return (prompts) => {
        const isOnlyOne = asked.size === 0 && prompts.length === 1;
        for (const { prompt, echo } of prompts) {
            if (asked.has(prompt)) {
                return { prompt, kind: "again" };
            }
            if (forNewPassword.test(prompt)) {
                return { prompt, kind: "new password" };
            }
            if (echo || forCode.test(prompt) || !(isOnlyOne || forPassword.test(prompt))) {
                return { prompt, kind: "other" };
            }
        }
        for (const { prompt } of prompts) {
            asked.add(prompt);
        }
        return prompts.map(() => password);
    };
}
