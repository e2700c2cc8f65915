// Rules (decisions with an outcome) and actions of this part of the hypervisor. Order is the number in the record: append only.
import type { Sentence } from './types.ts';

export const RULES_STORE = [
  [
    'store.request',
    'XenStore refuses the request with {0:errno}.',
    'XenStore가 {0:errno}(으)로 요청을 거절합니다.',
  ],
  [
    'store.ring-indices',
    'The XenStore ring of {0:domid} is broken: {1:dec} bytes claimed where 1024 fit.',
    '{0:domid}의 XenStore 링 버퍼가 깨졌습니다: 1024바이트 자리에 {1:dec}바이트를 주장합니다.',
  ],
  [
    'store.payload-size',
    'A message of {1:dec} bytes from {0:domid} is longer than 4096: the connection is closed.',
    '{0:domid}의 메시지 {1:dec}바이트는 4096을 넘습니다: 연결을 닫습니다.',
  ],
  [
    'store.backlog',
    '{0:domid} does not read its answers: {1:dec} bytes wait, the connection is closed.',
    '{0:domid}이(가) 응답을 읽지 않습니다: {1:dec}바이트가 대기 중이라 연결을 닫습니다.',
  ],
  [
    'store.page',
    'Frame {1:mfn} must still belong to {0:domid} and be fit for writing to serve as its XenStore page: the connection is closed.',
    '프레임 {1:mfn}은(는) 여전히 {0:domid}의 것이고 쓸 수 있어야 XenStore 페이지가 됩니다: 연결을 닫습니다.',
  ],
  [
    'store.memory',
    'XenStore has no memory left to remember what concerns {0:domid}.',
    'XenStore에 {0:domid}에 관한 것을 기억할 메모리가 남아 있지 않습니다.',
  ],
] as const satisfies readonly Sentence[];

export const ACTS_STORE = [
  [
    'store.introduce',
    'XenStore greets {0:domid}: ring frame {1:mfn}, port {2:port}.',
    'XenStore가 {0:domid}을(를) 맞이합니다: 링 버퍼 프레임 {1:mfn}, 포트 {2:port}.',
  ],
  ['store.release', 'XenStore says goodbye to {0:domid}.', 'XenStore가 {0:domid}과(와) 작별합니다.'],
  [
    'store.commit',
    '{0:domid} commits transaction {1:dec}.',
    '{0:domid}이(가) 트랜잭션 {1:dec}을(를) 커밋합니다.',
  ],
] as const satisfies readonly Sentence[];
