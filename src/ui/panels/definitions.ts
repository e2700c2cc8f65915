// Every view of the lab as data: what it is called, and the one sentence on when one wants it.

export interface PanelDefinition {
  readonly id: string;
  readonly title: { readonly en: string; readonly ko: string };
  readonly when: { readonly en: string; readonly ko: string };
  /** Share of its column, in parts. */
  readonly size: number;
  /** One a domain. */
  readonly perDomain?: boolean;
  /** Speaks of things that only one kind of machine has. */
  readonly only?: 'xen' | 'bare';
}

export const PANELS: readonly PanelDefinition[] = [
  {
    id: 'control',
    size: 60,
    title: { en: 'Who is in control', ko: '누가 제어하는가' },
    when: {
      en: 'When you want to see where control is, and which way it came.',
      ko: '제어가 어디에 있고 어떤 길로 왔는지 보고 싶을 때.',
    },
  },
  {
    id: 'code',
    size: 84,
    title: { en: 'Code and CPU', ko: '코드와 CPU' },
    when: {
      en: 'When you want the next instruction, the registers and flags, or to change one.',
      ko: '다음 명령과 레지스터, 플래그를 보거나 바꾸고 싶을 때.',
    },
  },
  {
    id: 'console',
    size: 40,
    perDomain: true,
    title: { en: 'Console', ko: '콘솔' },
    when: {
      en: 'When you want to read what a domain printed, or type to it.',
      ko: '도메인이 출력한 것을 읽거나 글자를 보내고 싶을 때.',
    },
  },
  {
    id: 'vga',
    only: 'bare',
    size: 60,
    title: { en: 'Screen', ko: '화면' },
    when: {
      en: 'When a bare machine draws on its screen, or waits for its keyboard.',
      ko: '맨 기계가 화면에 그리거나 키보드를 기다릴 때.',
    },
  },
  {
    id: 'traplog',
    size: 60,
    title: { en: 'Trap log', ko: '트랩 기록' },
    when: {
      en: 'When you want every privileged moment in order, or to find one.',
      ko: '특권이 오간 모든 순간을 차례로 보거나 찾고 싶을 때.',
    },
  },
  {
    id: 'pagewalk',
    size: 60,
    title: { en: 'Page walk', ko: '페이지 테이블 탐색' },
    when: {
      en: 'When an address faults, or you ask which machine frame it really is.',
      ko: '주소에서 폴트가 나거나 실제 머신 프레임이 궁금할 때.',
    },
  },
  {
    id: 'memory',
    size: 60,
    title: { en: 'Memory', ko: '메모리' },
    when: {
      en: 'When you want the bytes themselves, or to change one.',
      ko: '바이트 자체를 보거나 바꾸고 싶을 때.',
    },
  },
  {
    id: 'ring',
    only: 'xen',
    size: 60,
    title: { en: 'Shared ring', ko: '링 버퍼' },
    when: {
      en: 'When two kernels talk, and you ask who is ahead.',
      ko: '대화하는 두 커널 가운데 누가 앞서 있는지 궁금할 때.',
    },
  },
  {
    id: 'grants',
    only: 'xen',
    size: 50,
    title: { en: 'Grants', ko: '그랜트' },
    when: {
      en: 'When you ask who may touch whose page.',
      ko: '누가 누구의 페이지에 손댈 수 있는지 궁금할 때.',
    },
  },
  {
    id: 'events',
    only: 'xen',
    size: 50,
    title: { en: 'Event channels', ko: '이벤트 채널' },
    when: {
      en: 'When a kernel waits for a bell, and you ask whether it rang.',
      ko: '커널이 기다리는 알림이 울렸는지 궁금할 때.',
    },
  },
  {
    id: 'xenstore',
    only: 'xen',
    size: 50,
    title: { en: 'XenStore', ko: 'XenStore' },
    when: {
      en: 'When you want to see how domains find one another.',
      ko: '도메인끼리 어떻게 서로를 찾는지 보고 싶을 때.',
    },
  },
];
