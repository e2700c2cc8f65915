// Rules (decisions with an outcome) and actions of this part of the hypervisor. Order is the number in the record: append only.
import type { Sentence } from './types.ts';

export const RULES_BUILD = [] as const satisfies readonly Sentence[];

export const ACTS_BUILD = [
  [
    'build.hypercall-page',
    'The builder wrote the hypercall page at {0:vaddr}.',
    '빌더가 {0:vaddr}에 하이퍼콜 페이지를 썼습니다.',
  ],
  [
    'build.layout',
    'The domain begins at {0:vaddr}, enters at {1:vaddr}, finds start_info at {2:vaddr} and {4:dec} page-table frames at {3:vaddr}; its mapping ends at {5:vaddr}.',
    '도메인은 {0:vaddr}에서 시작해 {1:vaddr}(으)로 진입합니다. start_info는 {2:vaddr}에, 페이지 테이블 프레임 {4:dec}개는 {3:vaddr}에 있고 매핑은 {5:vaddr}에서 끝납니다.',
  ],
] as const satisfies readonly Sentence[];
