import { randomInt } from 'node:crypto';

const ADJECTIVES =
  'able agile amber ample apt azure balmy bold brave breezy bright brisk calm candid cheery civil clear clever cosy crisp daring deft eager earnest easy fair fleet fluent fond frank fresh gentle glad golden grand happy hardy hearty honest ideal jolly keen kind lively loyal lucid lucky mellow merry mighty modest neat nimble noble patient placid plucky polite prime proud quick quiet rapid ready robust rosy sane sharp silent smart snug sober solid spry stable steady stout sturdy sunny swift tidy tranquil trim trusty upbeat vivid warm wise witty worthy zesty'.split(
    ' ',
  );
// Ships, sailors and harbour folk: this is a wharf.
const NOUNS =
  'amundsen anson baret barge barque beagle bering blyth bosun bowditch brig caravel carrack catboat clipper cook coxswain cutter dhow dinghy drake dory earhart eriksson ferry frigate galleon galley hudson hopper junk kayak ketch lateen lighter longship lugger magellan maury mercator nansen packet parry pilot pinnace polo punt purser pytheas quartermaster ross sampan schooner scott scow shackleton skiff sloop stevedore tasman tern tjalk trawler trireme tug vespucci weddell wherry xebec yawl zheng'.split(
    ' ',
  );

/** A name for a container that was given none, such as `calm_schooner`; `taken` tells which are in use. */
export function generateName(taken: (name: string) => boolean): string {
  for (let attempt = 0; ; attempt++) {
    const name = `${ADJECTIVES[randomInt(ADJECTIVES.length)]}_${NOUNS[randomInt(NOUNS.length)]}${attempt > 4 ? randomInt(10 ** (attempt - 3)) : ''}`;
    if (!taken(name)) return name;
  }
}
