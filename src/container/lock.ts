/** Serialises what is done to one object: each task runs when those before it have ended. */
export class Lock {
  #tail: Promise<unknown> | undefined;

  /** Runs `task` in its turn. A free lock runs it at once, in the same tick. */
  run<T>(task: () => Promise<T> | T): Promise<T> {
    const turn = this.#tail ? this.#tail.then(task, task) : attempt(task);
    this.#tail = turn;
    const release = (): void => {
      if (this.#tail === turn) this.#tail = undefined;
    };
    turn.then(release, release);
    return turn;
  }
}

async function attempt<T>(task: () => Promise<T> | T): Promise<T> {
  return task();
}
