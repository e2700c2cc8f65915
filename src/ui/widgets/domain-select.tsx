// Which domain a view is about; undefined follows whoever runs.

import { useLab } from '../store/lab.ts';

interface Props {
  readonly label: string;
  readonly follow: string;
  readonly value: number | undefined;
  readonly onChange: (domid: number | undefined) => void;
}
export function DomainSelect({ label, follow, value, onChange }: Props) {
  const domains = useLab((s) => s.domains);
  const guests = domains.filter((d) => d.kind === 'pv');
  if (guests.length < 2) return null; // nothing to choose
  return (
    <label>
      {label}
      <select
        className="field"
        value={value ?? ''}
        onChange={(e) => onChange(e.target.value === '' ? undefined : Number(e.target.value))}
      >
        <option value="">{follow}</option>
        {guests.map((d) => (
          <option key={d.domid} value={d.domid}>
            {d.name}
          </option>
        ))}
      </select>
    </label>
  );
}
