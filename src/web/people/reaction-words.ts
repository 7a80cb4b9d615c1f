import type { Reaction } from '../link/talk.ts'
import type { TextKey } from '../text/en.ts'

/** What each reaction is called, for whoever does not see it. */
export const reactionWords: Readonly<Record<Reaction, TextKey>> = {
  '👍': 'thumbsUp',
  '❤️': 'heart',
  '😂': 'laughing',
  '😮': 'surprised',
  '👏': 'applause',
  '🎉': 'party',
}
